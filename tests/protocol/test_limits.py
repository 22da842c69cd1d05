"""Each limit on what a request holds: at it all is well, past it there is one clear error."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.proto.pool import message_class
from naiad.protocol import binary, generate
from naiad.protocol.grpc import infer_request
from naiad.protocol.json import infer_request as infer_json
from naiad.protocol.json.body import parse_json
from naiad.protocol.limits import Limits
from naiad.protocol.raw_request import decode_raw

SMALL = Limits(
    json_depth=5, tensors=2, parameters=2, string_elements=3, string_bytes=4, id_length=6, name_length=8, body_bytes=400
)
NUMBER = {"name": "x", "datatype": "INT32", "shape": [1], "data": [1]}


def by_json(document: dict[str, Any], limits: Limits = SMALL) -> InferRequest:
    return infer_json.decode("m", "", orjson.dumps({"inputs": [NUMBER], **document}), None, limits)[0]


def by_grpc(document: dict[str, Any], limits: Limits = SMALL) -> InferRequest:
    from google.protobuf import json_format

    message = json_format.ParseDict({"model_name": "m", **document}, message_class("ModelInferRequest")())
    return infer_request.decode(*infer_request.parse_request(message.SerializeToString()), limits)


def by_generate(document: dict[str, Any], limits: Limits = SMALL) -> InferRequest:
    config = ModelConfig("m", inputs=(TensorConfig("x", "BYTES", (-1,)),))
    return generate.decode(config, "", orjson.dumps(document), limits)


def texts(*values: str) -> dict[str, Any]:
    return {"inputs": [{"name": "x", "datatype": "BYTES", "shape": [len(values)], "data": list(values)}]}


def typed(*values: bytes) -> dict[str, Any]:
    import base64

    contents = {"bytes_contents": [base64.b64encode(value).decode() for value in values]}
    return {"inputs": [{"name": "x", "datatype": "BYTES", "shape": [len(values)], "contents": contents}]}


def named(kind: str, *names: str) -> dict[str, Any]:
    return {kind: [{**(NUMBER if kind == "inputs" else {}), "name": name} for name in names]}


def grpc_named(kind: str, *names: str) -> dict[str, Any]:
    held = {"datatype": "INT32", "shape": [1], "contents": {"int_contents": [1]}} if kind == "inputs" else {}
    return {kind: [{**held, "name": name} for name in names]}


def grpc_parameters(count: int, name: str = "p") -> dict[str, Any]:
    return {"parameters": {f"{name}{at}": {"bool_param": True} for at in range(count)}}


CASES: list[tuple[Callable[..., InferRequest], dict[str, Any], dict[str, Any], str]] = [
    (by_json, {"id": "sixsix"}, {"id": "sevenxx"}, "request id is 7 characters long; at most 6"),
    (by_grpc, {"id": "sixsix"}, {"id": "sevenxx"}, "request id is 7 characters long; at most 6"),
    (by_generate, {"id": "sixsix", "x": "a"}, {"id": "sevenxx"}, "request id is 7 characters long; at most 6"),
    (by_grpc, {"model_name": "m" * 8}, {"model_name": "m" * 9}, "model name is 9 characters long; at most 8"),
    (by_json, named("inputs", "a", "b"), named("inputs", "a", "b", "c"), "names 3 inputs; at most 2"),
    (by_grpc, grpc_named("inputs", "a", "b"), grpc_named("inputs", "a", "b", "c"), "names 3 inputs; at most 2"),
    (by_json, named("outputs", "a", "b"), named("outputs", "a", "b", "c"), "names 3 outputs; at most 2"),
    (by_grpc, grpc_named("outputs", "a", "b"), grpc_named("outputs", "a", "b", "c"), "names 3 outputs; at most 2"),
    (by_json, named("inputs", "a" * 8), named("inputs", "a" * 9), "name of an input is 9 characters"),
    (by_grpc, grpc_named("inputs", "a" * 8), grpc_named("inputs", "a" * 9), "name of an input is 9 characters"),
    (by_json, named("outputs", "a" * 8), named("outputs", "a" * 9), "name of an output is 9 characters"),
    (by_grpc, grpc_named("outputs", "a" * 8), grpc_named("outputs", "a" * 9), "name of an output is 9 characters"),
    (by_json, {"parameters": {"a": 1, "b": 1}}, {"parameters": {"a": 1, "b": 1, "c": 1}}, "names 3 parameters"),
    (by_grpc, grpc_parameters(2), grpc_parameters(3), "names 3 parameters; at most 2"),
    (by_generate, {"x": "a", "b": 1}, {"x": "a", "b": 1, "c": 1}, "names 3 parameters; at most 2"),
    (by_json, {"parameters": {"p" * 8: 1}}, {"parameters": {"p" * 9: 1}}, "name of a parameter is 9 characters"),
    (by_grpc, grpc_parameters(1, "p" * 7), grpc_parameters(1, "p" * 8), "name of a parameter is 9 characters"),
    (by_json, texts("a", "b", "c"), texts("a", "b", "c", "d"), "'x' has 4 string elements; at most 3"),
    (by_grpc, typed(b"a", b"b", b"c"), typed(b"a", b"b", b"c", b"d"), "'x' has 4 string elements; at most 3"),
    (by_generate, {"x": ["a", "b", "c"]}, {"x": ["a", "b", "c", "d"]}, "'x' has 4 string elements; at most 3"),
    (by_json, texts("four"), texts("fiveb"), "'x' has a string of 5 bytes; at most 4"),
    (by_grpc, typed(b"four"), typed(b"fiveb"), "'x' has a string of 5 bytes; at most 4"),
    (by_json, {"a": [[[1]]]}, {"a": [[[[[1]]]]]}, r"JSON nesting depth exceeds maximum allowed limit \(5\)"),
]


@pytest.mark.parametrize(("read", "allowed", "refused", "words"), CASES)
def test_at_the_limit_and_past_it(
    read: Callable[..., InferRequest], allowed: dict[str, Any], refused: dict[str, Any], words: str
) -> None:
    read(allowed)
    with pytest.raises(InvalidRequest, match=words):
        read(refused)


def strings(*values: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def test_bytes_in_binary() -> None:
    binary.decode("x", "BYTES", (3,), strings(b"four", b"", b"a"), None, SMALL)
    with pytest.raises(InvalidRequest, match="4 string elements; at most 3"):
        binary.decode("x", "BYTES", (4,), strings(b"", b"", b"", b""), None, SMALL)
    with pytest.raises(InvalidRequest, match="string of 5 bytes; at most 4"):
        binary.decode("x", "BYTES", (1,), strings(b"fiveb"), None, SMALL)


def test_the_raw_request() -> None:
    config = ModelConfig("m", inputs=(TensorConfig("x", "BYTES", (1,)),))
    decode_raw(config, "", b"four", SMALL)
    with pytest.raises(InvalidRequest, match="string of 5 bytes; at most 4"):
        decode_raw(config, "", b"fiveb", SMALL)
    with pytest.raises(InvalidRequest, match="exceeds the maximum allowed value of 400 bytes"):
        decode_raw(config, "", b"x" * 401, SMALL)


def test_the_json_part_may_not_be_larger_than_a_body_without_a_tail() -> None:
    body = orjson.dumps({"inputs": [NUMBER]})
    limits = replace(SMALL, body_bytes=len(body), binary_bytes=1000)
    infer_json.decode("m", "", body, len(body), limits)
    with pytest.raises(InvalidRequest, match=f"request JSON size of {len(body) + 1} bytes exceeds the maximum"):
        infer_json.decode("m", "", body + b" ", len(body) + 1, limits)


def test_a_tensor_made_of_json_may_not_be_larger_than_a_body() -> None:
    """Each number takes two bytes there and eight here."""
    data = {"inputs": [{"name": "x", "datatype": "INT64", "shape": [51], "data": [[1] * 51]}]}
    with pytest.raises(InvalidRequest, match=r"byte_size \(408 bytes\) that exceeds the maximum allowed value of 400"):
        by_json(data)


def test_values_of_a_json_body() -> None:
    limits = Limits(json_values=10)
    parse_json(b'{"a":[1,2,3,4,5,6,7,8,9]}', limits)
    with pytest.raises(InvalidRequest, match="holds 11 values; at most 10 are allowed"):
        parse_json(b'{"a":[1,2,3,4,5,6,7,8,9,0]}', limits)


@given(st.recursive(st.text('[]{}"\\a,'), lambda inner: st.lists(inner) | st.dictionaries(st.text('["'), inner)))
def test_depth_is_counted_outside_strings(value: Any) -> None:
    def depth(value: Any) -> int:
        if isinstance(value, str):
            return 0
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth, inner), default=0)

    limits = Limits(json_depth=depth(value) + 1)
    raw = orjson.dumps({"a": value})
    assert parse_json(raw, limits) == {"a": value}
    with pytest.raises(InvalidRequest, match="nesting depth"):
        parse_json(raw, replace(limits, json_depth=limits.json_depth - 1))


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs":[' + b'"\\"' * 1_000_000,
        b'{"inputs":[' + b"[1]," * 1_000_000 + b"1]}",
        b'{"inputs":[{"name":"x","datatype":"INT32","shape":[' + b"9000000000000000000," * 300_000 + b'1],"data":1}]}',
        b'{"inputs":[{"name":"x","datatype":"INT32","shape":[1],"data":[' + b"1," * 500_000 + b"[" * 90 + b"]" * 90
        + b"]}]}",
    ],
    ids=["quotes", "shallow lists", "dimensions", "one deep list behind many numbers"],
)  # fmt: skip
def test_a_body_that_is_only_large_is_judged_in_one_pass(body: bytes) -> None:
    """Each of these once took time that grew with the square of its size, or with its size times its depth."""
    began_s = time.thread_time()
    with pytest.raises(InvalidRequest):
        infer_json.decode("m", "", body, None, Limits())
    assert time.thread_time() - began_s < 20.0
