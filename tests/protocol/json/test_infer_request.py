"""Requests as JSON and binary: what is understood, and every refusal with its words."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.datatypes import TABLE
from naiad.core.errors import InvalidRequest, MalformedBody, NaiadError
from naiad.core.message import RequestedOutput
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.protocol import binary
from naiad.protocol.json.infer_request import decode
from naiad.protocol.limits import Limits

LIMITS = Limits()


def body(**document: Any) -> bytes:
    return json.dumps(document).encode()


def one(datatype: str, shape: list[Any], data: Any, **more: Any) -> bytes:
    return body(inputs=[{"name": "x", "datatype": datatype, "shape": shape, "data": data, **more}])


def read(raw: bytes, header_length: int | None = None, limits: Limits = LIMITS) -> Tensor:
    return decode("m", "", raw, header_length, limits)[0].inputs["x"]


NUMERIC = [row.name for row in TABLE if row.name not in ("BOOL", "BYTES", "FP16", "BF16")]


@pytest.mark.parametrize("datatype", NUMERIC)
@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]], [[1], [2], [3], [4]]], ids=["flat", "nested", "odd"])
def test_numbers_flat_and_nested(datatype: str, data: list[Any]) -> None:
    tensor = read(one(datatype, [2, 2], data))
    assert tensor.shape == (2, 2)
    assert tensor.data.dtype == next(row.numpy for row in TABLE if row.name == datatype)
    assert tensor.data.tolist() == [[1, 2], [3, 4]]


def test_booleans_strings_scalars_and_nothing() -> None:
    assert read(one("BOOL", [2], [True, False])).data.tolist() == [True, False]
    assert read(one("BYTES", [3], ["é", "", "a\0b"])).data.tolist() == ["é".encode(), b"", b"a\0b"]
    assert read(one("INT32", [], 7)).data.item() == 7
    assert read(one("FP32", [0, 4], [])).shape == (0, 4)


def test_request_fields_and_parameters() -> None:
    raw = body(
        id="r1",
        parameters={"priority": 2, "timeout": 5, "binary_data_output": True, "mine": 1.5, "text": "x", "flag": False},
        inputs=[],
        outputs=[{"name": "a"}, {"name": "b", "parameters": {"binary_data": True, "classification": 3}}],
    )
    request, binary_default = decode("m", "2", raw, None, LIMITS)
    assert binary_default
    assert (request.model_name, request.model_version, request.id) == ("m", "2", "r1")
    assert (request.priority, request.timeout_us) == (2, 5)
    assert request.parameters == {"mine": 1.5, "text": "x", "flag": False}
    assert request.outputs == (RequestedOutput("a"), RequestedOutput("b", binary=True, class_count=3))


def test_an_empty_id_is_accepted() -> None:
    assert decode("m", "", body(id="", inputs=[]), None, LIMITS)[0].id == ""


def test_binary_tail_in_the_order_of_the_inputs() -> None:
    first, second = np.arange(4, dtype=np.float32), bytes_tensor("b", [b"x", b""])
    parts = [first.tobytes(), binary.encode(second)]
    header = body(
        inputs=[
            {"name": "a", "datatype": "FP32", "shape": [2, 2], "parameters": {"binary_data_size": len(parts[0])}},
            {"name": "j", "datatype": "INT8", "shape": [1], "data": [-1]},
            {"name": "b", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": len(parts[1])}},
        ]
    )
    inputs = decode("m", "", header + b"".join(parts), len(header), LIMITS)[0].inputs
    assert inputs["a"].data.tolist() == [[0, 1], [2, 3]]
    assert inputs["j"].data.tolist() == [-1]
    assert inputs["b"].data.tolist() == [b"x", b""]


@pytest.mark.parametrize(
    ("raw", "error", "message"),
    [
        (b"", MalformedBody, "failed to parse the request JSON buffer"),
        (b'{"inputs":[', MalformedBody, "failed to parse the request JSON buffer"),
        (b"[]", MalformedBody, "non-existing object member 'inputs'"),
        (b"{}", MalformedBody, "Unable to parse 'inputs'"),
        (body(inputs=[1]), InvalidRequest, "But no field is set"),
        (body(inputs=[], id=3), MalformedBody, "Unable to parse 'id'"),
        (body(inputs=[{"data": 1}]), MalformedBody, "non-existing object member 'name'"),
        (body(inputs=[{"name": "x", "datatype": "FP32", "data": 1}]), MalformedBody, "Unable to parse 'shape'"),
        (
            body(inputs=[{"name": "x", "shape": [1], "datatype": 3, "data": 1}]),
            MalformedBody,
            "Unable to parse 'datatype'",
        ),
        (one("FP33", [1], [1]), InvalidRequest, "invalid datatype 'FP33' for input 'x'; known: BOOL"),
        (one("INT32", [1.0], [1]), MalformedBody, "'shape': attempt to access JSON non-unsigned-integer"),
        (one("INT32", [2, -5], [1]), MalformedBody, "'shape': attempt to access JSON non-unsigned-integer"),
        (one("INT32", [4, 2**60 + 2], [1]), InvalidRequest, "byte size overflow for input 'x'"),
        (one("INT32", [2**40, 2**40], [1]), InvalidRequest, "total element count to exceed maximum size of"),
        (one("FP32", [2**40], [1]), InvalidRequest, "exceeds the maximum allowed value of 67108864 bytes"),
        (one("INT32", [2], [1]), MalformedBody, "Unable to parse 'data': Shape does not match true shape"),
        (one("INT32", [1], [1, 2]), MalformedBody, "Unable to parse 'data': Shape does not match true shape"),
        (
            one("BYTES", [1], ["a", "b"]),
            InvalidRequest,
            "unexpected number of string elements 2 for inference input 'x'",
        ),
        (one("INT32", [1], [1.5]), MalformedBody, "non-signed-integer as signed-integer"),
        (one("INT8", [1], [300]), MalformedBody, "input 'x' holds a number that INT8 cannot"),
        (one("UINT8", [1], [-1]), MalformedBody, "non-unsigned-integer as unsigned-integer"),
        (one("INT32", [1], ["1"]), MalformedBody, "non-signed-integer as signed-integer"),
        (one("INT32", [1], None), MalformedBody, "'data': attempt to access JSON non-array as array"),
        (one("INT32", [1], [True]), MalformedBody, "non-signed-integer as signed-integer"),
        (one("FP32", [2], [1, False]), MalformedBody, "non-number as double"),
        (one("BOOL", [1], [1]), MalformedBody, "non-boolean as boolean"),
        (
            one("BYTES", [1], [1]),
            MalformedBody,
            "Unable to parse JSON bytes array: attempt to access JSON non-string as string",
        ),
        (one("FP16", [1], [1]), InvalidRequest, "receiving FP16 data via JSON is not supported"),
        (one("BF16", [1], [1]), InvalidRequest, "receiving BF16 data via JSON is not supported"),
        (body(inputs=[{"name": "x", "shape": [1], "datatype": "FP32"}]), InvalidRequest, "But no field is set"),
        (
            one("FP32", [1], [1], parameters={"binary_data_size": 4}),
            InvalidRequest,
            "Input must set only one of the following fields",
        ),
        (body(inputs=[], parameters={"triton_x": 1}), InvalidRequest, "reserved for Triton usage"),
        (body(inputs=[], parameters={"x": []}), InvalidRequest, "parameter 'x' has invalid type"),
        (body(inputs=[], parameters={"priority": -1}), MalformedBody, "Unable to parse 'priority'"),
        (body(inputs=[], parameters={"binary_data_output": 1}), MalformedBody, "Unable to parse 'binary_data_output'"),
        (body(inputs=[], parameters=1), MalformedBody, "failed to get request params"),
        (body(inputs=[], outputs=1), MalformedBody, "Unable to parse 'outputs'"),
        (body(inputs=[], outputs=[{}]), MalformedBody, "non-existing object member 'name'"),
        (body(inputs=[], outputs=[{"name": "a"}, {"name": "a"}]), InvalidRequest, "'a' already exists"),
        (
            body(inputs=[{"name": "x", "shape": [1], "datatype": "INT8", "data": [1]}] * 2),
            InvalidRequest,
            "input 'x' already exists in request",
        ),
    ],
)
def test_refusals(raw: bytes, error: type[NaiadError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        decode("m", "", raw, None, LIMITS)
    assert caught.value.code == error.code


def test_binary_sizes_that_do_not_fit() -> None:
    def header(size: int, datatype: str = "FP32") -> bytes:
        entry = {"name": "x", "shape": [1], "datatype": datatype, "parameters": {"binary_data_size": size}}
        return body(inputs=[entry])

    short = header(4)
    with pytest.raises(InvalidRequest, match="unexpected size for input 'x', expecting 2 additional bytes"):
        decode("m", "", short + b"ab", len(short), LIMITS)
    with pytest.raises(InvalidRequest, match="unexpected additional input data for model 'm'"):
        decode("m", "", short + b"abcde", len(short), LIMITS)
    wrong = header(3)
    with pytest.raises(
        InvalidRequest,
        match=r"\[request id: <id_unknown>\] input byte size mismatch for input 'x' for model 'm'\. Expected 4, got 3",
    ):
        decode("m", "", wrong + b"abc", len(wrong), LIMITS)
    strings = header(6, "BYTES")
    with pytest.raises(InvalidRequest, match="incomplete string data"):
        decode("m", "", strings + b"\x05\0\0\0ab", len(strings), LIMITS)
    with pytest.raises(InvalidRequest, match="incomplete string length indicator"):
        decode("m", "", strings + b"\x00\0\0\0ab", len(strings), LIMITS)


def sized(name: str, size: Any, **more: Any) -> dict[str, Any]:
    """An entry of two FP32, which are 8 bytes, of which so many are said to be there."""
    return {"name": name, "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": size}, **more}


@pytest.mark.parametrize(
    ("entries", "tail_bytes", "message"),
    [
        ([sized("a", 4), sized("b", 4)], 8, "input byte size mismatch for input 'b' for model 'm'. Expected 8, got 4"),
        ([sized("a", 4), sized("b", 8)], 12, "input byte size mismatch for input 'a' for model 'm'. Expected 8, got 4"),
        ([sized("a", 4), sized("b", 8)], 8, "unexpected size for input 'b', expecting 4 additional bytes"),
        ([sized("a", 4), sized("b", 8)], 13, "unexpected additional input data for model 'm'"),
        ([sized("a", 4), sized("b", 8, shape=[-1])], 12, "Unable to parse 'shape'"),
        ([sized("a", 8), sized("a", 8)], 8, "input 'a' already exists in request"),
        ([sized("a", None, datatype=1)], 0, "Unable to parse 'datatype'"),
        ([sized("a", None)], 0, "Unable to parse 'binary_data_size': attempt to access JSON non-unsigned-integer"),
        ([sized("a", True)], 1, "Unable to parse 'binary_data_size': attempt to access JSON non-unsigned-integer"),
        ([sized("a", 4), sized("b", 8, datatype=1)], 12, "Unable to parse 'datatype'"),
        (
            [{"name": "a", "shape": [2], "datatype": "BYTES", "data": ["x"]}, sized("b", 4)],
            4,
            "input 'b' for model 'm'",
        ),
        (
            [sized("b", 4), {"name": "a", "shape": [2], "datatype": "BYTES", "data": ["x"]}],
            4,
            "input 'a' for model 'm'",
        ),
    ],
)
def test_of_several_faults_the_one_that_triton_tells(
    entries: list[dict[str, Any]], tail_bytes: int, message: str
) -> None:
    """It reads the whole request first; of two inputs of a wrong size it names the last."""
    head = body(inputs=entries)
    with pytest.raises(InvalidRequest) as caught:
        decode("m", "", head + bytes(tail_bytes), len(head), LIMITS)
    assert message in caught.value.message


def test_a_mistake_about_an_output_is_told_before_a_wrong_size() -> None:
    head = body(inputs=[sized("a", 4)], outputs=[{"name": 1}])
    with pytest.raises(MalformedBody, match="Unable to parse 'name'"):
        decode("m", "", head + bytes(4), len(head), LIMITS)


def test_limits() -> None:
    deep = b'{"inputs":' + b"[" * 150 + b"]" * 150 + b"}"
    with pytest.raises(InvalidRequest, match=r"JSON nesting depth exceeds maximum allowed limit \(100\)"):
        decode("m", "", deep, None, LIMITS)
    many = Limits(tensors=1)
    with pytest.raises(InvalidRequest, match="names 2 inputs; at most 1"):
        decode("m", "", body(inputs=[{}, {}]), None, many)
    with pytest.raises(InvalidRequest, match="names 2 outputs; at most 1"):
        decode("m", "", body(inputs=[], outputs=[{"name": "a"}, {"name": "b"}]), None, many)


def test_brackets_inside_strings_are_not_depth() -> None:
    assert read(one("BYTES", [1], ['[{"\\' * 200])).data[0] == b'[{"\\' * 200


@given(st.binary(max_size=200), st.one_of(st.none(), st.integers(0, 200)))
def test_garbage_gives_one_of_our_errors(raw: bytes, header_length: int | None) -> None:
    length = None if header_length is None else min(header_length, len(raw))
    with suppress(NaiadError):  # anything else would be a crash
        decode("m", "", raw, length, LIMITS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "shape", "datatype", "data", "parameters", "x"]), children, max_size=5
        )
    ),
    max_leaves=20,
)


@given(JSON, JSON, JSON, JSON)
def test_any_json_in_any_place_gives_one_of_our_errors(shape: Any, data: Any, parameters: Any, outputs: Any) -> None:
    for datatype in ("INT32", "FP32", "BYTES", "BOOL", "FP16"):
        raw = body(
            inputs=[{"name": "x", "datatype": datatype, "shape": shape, "data": data}],
            parameters=parameters,
            outputs=outputs,
        )
        with suppress(NaiadError):
            decode("m", "", raw, None, LIMITS)
