"""ModelInferRequest → InferRequest: typed and raw contents, parameters, and Triton's words for what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.datatypes import BY_NAME, TABLE
from naiad.core.errors import InvalidRequest, MalformedBody, NaiadError, Unsupported
from naiad.core.message import InferRequest, RequestedOutput, SequenceStep
from naiad.core.tensor import Tensor
from naiad.proto.pool import message_class
from naiad.protocol import binary
from naiad.protocol.grpc.infer_request import LARGE_BYTES, decode, parse_request
from naiad.protocol.grpc.large import split
from naiad.protocol.limits import Limits

VALUES: dict[str, list[Any]] = {
    "BOOL": [True, False],
    "BYTES": [b"", b"\xff\0a"],
    "INT8": [-128, 127],
    "UINT8": [0, 255],
    "INT16": [-(2**15), 2**15 - 1],
    "UINT16": [0, 2**16 - 1],
    "INT32": [-(2**31), 2**31 - 1],
    "UINT32": [0, 2**32 - 1],
    "INT64": [-(2**63), 2**63 - 1],
    "UINT64": [0, 2**64 - 1],
    "FP32": [1.5, float("-inf")],
    "FP64": [1e300, -0.1],
}


def read(message: Any, limits: Limits = Limits()) -> InferRequest:  # noqa: B008 - a frozen value
    return decode(*parse_request(message.SerializeToString()), limits)


def infer_request(*inputs: dict[str, Any], **more: Any) -> Any:
    return message_class("ModelInferRequest")(model_name="m", inputs=list(inputs), **more)


def one(datatype: str = "INT32", shape: tuple[int, ...] = (2,), **more: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": datatype, "shape": shape, **more}


def raw_of(row: str, values: list[Any]) -> bytes:
    return binary.encode(Tensor("x", row, np.array(values, BY_NAME[row].numpy)))


@pytest.mark.parametrize("datatype", VALUES)
def test_typed_and_raw_contents_say_the_same(datatype: str) -> None:
    values = VALUES[datatype]
    typed = infer_request(one(datatype, contents={BY_NAME[datatype].contents_field: values}))
    raw = infer_request(one(datatype), raw_input_contents=[raw_of(datatype, values)])
    for message in (typed, raw):
        tensor = read(message).inputs["x"]
        assert (tensor.datatype, tensor.data.dtype, tensor.data.tolist()) == (datatype, BY_NAME[datatype].numpy, values)


@pytest.mark.parametrize("datatype", [row.name for row in TABLE if not row.contents_field])
def test_half_precision_is_raw_only(datatype: str) -> None:
    assert read(infer_request(one(datatype), raw_input_contents=[b"\0\x3c\1\0"])).inputs["x"].data.itemsize == 2
    with pytest.raises(InvalidRequest) as caught:
        read(infer_request(one(datatype, contents={"fp32_contents": [1.0, 2.0]})))
    assert caught.value.message == (
        "unexpected explicit tensor data for input tensor 'x' for model 'm' of type 'FP32', "
        f"expected datatype '{datatype}'"
    )


def test_everything_else_of_a_request() -> None:
    message = infer_request(
        one(raw := "INT32", (1, 2)),
        model_version="3",
        id="seven",
        outputs=[{"name": "y", "parameters": {"classification": {"int64_param": 2}}}, {"name": "z"}],
        parameters={
            "priority": {"uint64_param": 4},
            "timeout": {"int64_param": 5},
            "sequence_id": {"string_param": "s"},
            "sequence_start": {"bool_param": True},
            "mine": {"double_param": 0.5},
            "triton_enable_empty_final_response": {"bool_param": True},
        },
        raw_input_contents=[raw_of(raw, [1, 2])],
    )
    request = read(message)
    assert (request.model_name, request.model_version, request.id) == ("m", "3", "seven")
    assert request.inputs["x"].data.tolist() == [[1, 2]]
    assert request.outputs == (RequestedOutput("y", True, 2), RequestedOutput("z", True, 0))
    assert (request.priority, request.timeout_us) == (4, 5)
    assert request.sequence == SequenceStep("s", is_first=True)
    assert request.wants_empty_final
    assert request.parameters == {"mine": 0.5}


def test_an_empty_tensor_needs_no_values() -> None:
    assert read(infer_request(one("FP32", (0, 4), contents={}))).inputs["x"].data.shape == (0, 4)
    assert read(infer_request(one("BYTES", (0,)), raw_input_contents=[b""])).inputs["x"].data.shape == (0,)


FULL = {"int_contents": [1, 2]}

WRONG: dict[str, tuple[Callable[[], Any], type[NaiadError], str]] = {
    "both kinds": (
        lambda: infer_request(one(contents=FULL), raw_input_contents=[bytes(8)]),
        InvalidRequest,
        "contents field must not be specified when using raw_input_contents for 'x' for model 'm'",
    ),
    "no data": (
        lambda: infer_request(one()),
        InvalidRequest,
        "unable to find data for input tensor 'x' for model 'm' in request.",
    ),
    "other type": (
        lambda: infer_request(one("FP32", contents=FULL)),
        InvalidRequest,
        "unexpected explicit tensor data for input tensor 'x' for model 'm' of type 'INT32', expected datatype 'FP32'",
    ),
    "two types": (
        lambda: infer_request(one(contents={**FULL, "fp32_contents": [1.0]})),
        InvalidRequest,
        "binary data was already supplied",
    ),
    "too few": (
        lambda: infer_request(one(contents={"int_contents": [1]})),
        InvalidRequest,
        "[request id: <id_unknown>] input byte size mismatch for input 'x' for model 'm'. Expected 8, got 4",
    ),
    "too few raw": (
        lambda: infer_request(one(), raw_input_contents=[bytes(4)]),
        InvalidRequest,
        "[request id: <id_unknown>] input byte size mismatch for input 'x' for model 'm'. Expected 8, got 4",
    ),
    "too few raw for both": (
        lambda: infer_request(one(), {**one(), "name": "z"}, raw_input_contents=[bytes(4), bytes(12)]),
        InvalidRequest,
        "[request id: <id_unknown>] input byte size mismatch for input 'z' for model 'm'. Expected 8, got 12",
    ),
    "too few for the first, the second of another type": (
        lambda: infer_request(one(contents={"int_contents": [1]}), {**one("FP32", contents=FULL), "name": "z"}),
        InvalidRequest,
        "unexpected explicit tensor data for input tensor 'z' for model 'm' of type 'INT32', expected datatype 'FP32'",
    ),
    "too few raw, and an output twice": (
        lambda: infer_request(one(), raw_input_contents=[bytes(4)], outputs=[{"name": "y"}] * 2),
        InvalidRequest,
        "output 'y' already exists in request",
    ),
    "twice, without data": (
        lambda: infer_request({**one(), "name": "a"}, one(), one()),
        InvalidRequest,
        "[request id: <id_unknown>] input 'x' already exists in request",
    ),
    "twice, too few raw": (
        lambda: infer_request(one(), one(), raw_input_contents=[bytes(4), bytes(8)]),
        InvalidRequest,
        "[request id: <id_unknown>] input 'x' already exists in request",
    ),
    "memory's size as text, without a region": (
        lambda: infer_request(one(parameters={"shared_memory_byte_size": {"string_param": "1"}})),
        InvalidRequest,
        "'shared_memory_byte_size' can not be specified without 'shared_memory_region' parameter for tensor 'x'",
    ),
    "too few raw, and one too many": (
        lambda: infer_request(one(), raw_input_contents=[bytes(4), bytes(4)]),
        InvalidRequest,
        "unexpected additional raw_input_contents for model 'm': 2 for 1 inputs",
    ),
    "too few strings": (
        lambda: infer_request(one("BYTES", contents={"bytes_contents": [b"a"]})),
        InvalidRequest,
        "[request id: <id_unknown>] expected 2 string elements for inference input 'x' for model 'm', got 1",
    ),
    "too many strings": (
        lambda: infer_request(one("BYTES", contents={"bytes_contents": [b"a"] * 3}), id="7"),
        InvalidRequest,
        "[request id: 7] unexpected number of string elements 3 for inference input 'x' for model 'm', expecting 2",
    ),
    "out of range": (
        lambda: infer_request(one("INT8", contents={"int_contents": [1, 300]})),
        InvalidRequest,
        "int_contents holds a value that INT8 cannot",
    ),
    "too many raw": (
        lambda: infer_request(one(), raw_input_contents=[bytes(8)] * 2),
        InvalidRequest,
        "unexpected additional raw_input_contents for model 'm': 2 for 1 inputs",
    ),
    "twice": (
        lambda: infer_request(one(contents=FULL), one(contents=FULL)),
        InvalidRequest,
        "[request id: <id_unknown>] input 'x' already exists in request",
    ),
    "output twice": (
        lambda: infer_request(outputs=[{"name": "y"}] * 2),
        InvalidRequest,
        "output 'y' already exists in request",
    ),
    "datatype": (
        lambda: infer_request(one("FP8", contents=FULL)),
        InvalidRequest,
        "invalid datatype 'FP8' for input 'x'",
    ),
    "negative dimension": (
        lambda: infer_request(one(shape=(-1, 2), contents=FULL)),
        InvalidRequest,
        "shape [-1,2] contains one or more invalid dimensions",
    ),
    "huge shape": (
        lambda: infer_request(one(shape=(2**62, 2**62), contents=FULL)),
        InvalidRequest,
        "exceed maximum size",
    ),
    "shared memory": (
        lambda: infer_request(one(parameters=IN_MEMORY)),
        Unsupported,
        "Client shared memory is disabled.",
    ),
    "shared memory output": (
        lambda: infer_request(outputs=[{"name": "y", "parameters": IN_MEMORY}]),
        Unsupported,
        "Client shared memory is disabled.",
    ),
    "reserved": (
        lambda: infer_request(parameters={"triton_x": {"bool_param": True}}),
        InvalidRequest,
        "Only the following keys starting with 'triton_' are allowed: triton_enable_empty_final_response",
    ),
    "sequence_id": (
        lambda: infer_request(parameters={"sequence_id": {"bool_param": True}}),
        InvalidRequest,
        "invalid value type for 'sequence_id' parameter, expected int64_param or string_param.",
    ),
    "timeout": (
        lambda: infer_request(parameters={"timeout": {"string_param": "1"}}),
        InvalidRequest,
        "invalid value type for 'timeout' parameter, expected int64_param.",
    ),
    "priority": (
        lambda: infer_request(parameters={"priority": {"int64_param": -1}}),
        InvalidRequest,
        "invalid value for 'priority', expected value >= 0.",
    ),
    "no value": (
        lambda: infer_request(parameters={"mine": {}}),
        InvalidRequest,
        "invalid value type for 'mine' parameter, expected int64_param, bool_param, or string_param.",
    ),
    "unsigned value": (
        lambda: infer_request(parameters={"mine": {"uint64_param": 1}}),
        InvalidRequest,
        "invalid value type for 'mine' parameter, expected int64_param, bool_param, or string_param.",
    ),
    "negative classification": (
        lambda: infer_request(outputs=[{"name": "y", "parameters": {"classification": {"int64_param": -1}}}]),
        InvalidRequest,
        "invalid value for 'classification' parameter, expected >= 0",
    ),
    "classification": (
        lambda: infer_request(outputs=[{"name": "y", "parameters": {"classification": {"bool_param": True}}}]),
        InvalidRequest,
        "invalid value type for 'classification' parameter, expected int64_param",
    ),
}
IN_MEMORY = {"shared_memory_region": {"string_param": "r"}, "shared_memory_byte_size": {"int64_param": 8}}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(case: str) -> None:
    make, kind, words = WRONG[case]
    with pytest.raises(kind) as caught:
        read(make())
    assert words in caught.value.message


def test_the_number_of_tensors_is_bounded() -> None:
    inputs = [{"name": str(n), "datatype": "INT32", "shape": [0], "contents": {}} for n in range(3)]
    with pytest.raises(InvalidRequest, match="names 3 inputs; at most 2"):
        read(infer_request(*inputs), Limits(tensors=2))
    with pytest.raises(InvalidRequest, match="names 3 outputs; at most 2"):
        read(infer_request(outputs=[{"name": str(n)} for n in range(3)]), Limits(tensors=2))


def test_bytes_that_are_no_message() -> None:
    with pytest.raises(MalformedBody, match="Unable to parse request"):
        parse_request(b"\xff\xff")
    with pytest.raises(MalformedBody, match="Unable to parse request"):
        parse_request(b"\x3a" + b"\xff" * LARGE_BYTES)


def test_large_contents_are_not_copied() -> None:
    data = np.arange(LARGE_BYTES, dtype=np.uint8)
    message = infer_request(one("UINT8", (LARGE_BYTES,)), raw_input_contents=[data.tobytes()], id="large")
    raw = message.SerializeToString()
    request = decode(*parse_request(raw), Limits())
    assert request.id == "large"
    assert (request.inputs["x"].data == data).all()
    assert np.shares_memory(request.inputs["x"].data, np.frombuffer(raw, np.uint8))


@given(st.lists(st.binary(max_size=300)), st.text(max_size=200), st.integers(0, 3))
def test_splitting_gives_the_message_back(contents: list[bytes], identity: str, inputs: int) -> None:
    whole = infer_request(*[one(contents={})] * inputs, id=identity, raw_input_contents=contents)
    rest, found = split(whole.SerializeToString())
    parsed = message_class("ModelInferRequest").FromString(rest)
    assert [bytes(view) for view in found] == contents
    assert not parsed.raw_input_contents
    parsed.raw_input_contents.extend(contents)
    assert parsed == whole


@given(st.binary(max_size=64))
def test_splitting_anything_changes_nothing_that_protobuf_would_see(raw: bytes) -> None:
    request = message_class("ModelInferRequest")

    def seen(data: bytes, more: list[memoryview]) -> Any:
        try:
            message = request.FromString(data)
        except DecodeError:
            return None
        message.raw_input_contents.extend(bytes(view) for view in more)
        return message

    assert seen(*split(raw)) == seen(raw, [])


@given(st.data())
def test_any_message_is_a_request_or_one_of_our_errors(data: st.DataObject) -> None:
    draw = data.draw
    name, datatype = st.sampled_from(["x", "y", ""]), st.sampled_from([row.name for row in TABLE] + ["", "FP8"])
    shape = st.lists(st.sampled_from([-1, 0, 1, 2, 3, 2**62]), max_size=4) | st.just([1] * 65)
    raw = st.binary(max_size=24)
    contents = st.fixed_dictionaries(
        {},
        optional={
            "bool_contents": st.lists(st.booleans(), max_size=3),
            "int_contents": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
            "uint64_contents": st.lists(st.integers(0, 2**64 - 1), max_size=3),
            "fp32_contents": st.lists(st.floats(width=32), max_size=3),
            "bytes_contents": st.lists(raw, max_size=3),
        },
    )
    entry = st.fixed_dictionaries({"name": name, "datatype": datatype, "shape": shape}, optional={"contents": contents})
    value = st.fixed_dictionaries({}, optional={"int64_param": st.integers(-3, 3)}) | st.just({"string_param": "s"})
    keys = st.sampled_from(["priority", "timeout", "sequence_id", "triton_x", "mine", "classification"])
    message = infer_request(
        *draw(st.lists(entry, max_size=3)),
        raw_input_contents=draw(st.lists(raw, max_size=3)),
        parameters=draw(st.dictionaries(keys, value, max_size=2)),
        outputs=[{"name": "o", "parameters": draw(st.dictionaries(keys, value, max_size=2))}],
    )
    try:
        request = read(message)
    except NaiadError:
        return
    assert [tensor.name for tensor in request.inputs.values()] == [one.name for one in message.inputs]
