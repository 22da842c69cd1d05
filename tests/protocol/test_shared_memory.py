"""How requests point into shared memory, over both doors; the memory itself is a dict here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.errors import InvalidRequest, MalformedBody, NaiadError, NotFound, Unsupported
from naiad.core.message import InferRequest, InferResponse, RequestedOutput
from naiad.core.tensor import Tensor
from naiad.proto.pool import message_class
from naiad.protocol.grpc import infer_answer as grpc_answer
from naiad.protocol.grpc import infer_request
from naiad.protocol.json import infer_answer
from naiad.protocol.json import infer_request as infer_json
from naiad.protocol.limits import Limits
from naiad.protocol.shared_memory import read_registration

LIMITS = Limits()
VALUES = np.arange(4, dtype=np.int16)


@dataclass
class Place:
    """An OutputMemory."""

    region: str
    offset: int
    byte_size: int

    def write(self, data: bytes | memoryview) -> None:
        raise AssertionError(data)  # decoders write nothing


@dataclass
class Memory:
    """A ClientMemory."""

    regions: dict[str, bytes] = field(default_factory=lambda: {"r": b"ab" + VALUES.tobytes()})

    def check_allowed(self) -> None:
        """It always is."""

    def read(self, region: str, offset: int, byte_size: int) -> memoryview:
        if region not in self.regions:
            raise NotFound(region)
        return memoryview(self.regions[region])[offset : offset + byte_size]

    def reserve(self, region: str, offset: int, byte_size: int) -> Place:
        return Place(region, offset, byte_size)


def memory_of(region: Any = "r", offset: Any = 2, byte_size: Any = 8, **more: Any) -> dict[str, Any]:
    values = {"region": region, "offset": offset, "byte_size": byte_size}
    return {f"shared_memory_{name}": value for name, value in values.items() if value is not None} | more


def entry(name: str = "x", **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": "INT16", "shape": [4], **more}


def of_json(*inputs: dict[str, Any], tail: bytes | None = None, **more: Any) -> InferRequest:
    raw = json.dumps({"inputs": inputs, **more}).encode()  # orjson knows no numbers past 64 bits
    length = None if tail is None else len(raw)
    return infer_json.decode("m", "", raw + (tail or b""), length, LIMITS, Memory())[0]


def typed(parameters: dict[str, Any]) -> dict[str, Any]:
    """As parameters of a message."""
    kinds = {str: "string_param", int: "int64_param", bool: "bool_param"}
    return {name: {kinds[type(value)]: value} for name, value in parameters.items()}


def of_grpc(*inputs: dict[str, Any], **more: Any) -> InferRequest:
    inputs = tuple({**one, "parameters": typed(one.get("parameters", {}))} for one in inputs)
    message = message_class("ModelInferRequest")(model_name="m", inputs=inputs, **more)
    parsed = infer_request.parse_request(message.SerializeToString())
    return infer_request.decode(*parsed, LIMITS, Memory())


def refused(decode: Callable[..., Any], *inputs: dict[str, Any], **more: Any) -> tuple[type[NaiadError], str]:
    with pytest.raises(NaiadError) as caught:
        decode(*inputs, **more)
    return type(caught.value), caught.value.message


@pytest.mark.parametrize("decode", [of_json, of_grpc])
def test_an_input_in_memory(decode: Callable[..., InferRequest]) -> None:
    tensor = decode(entry(parameters=memory_of())).inputs["x"]
    assert (tensor.datatype, tensor.data.tolist()) == ("INT16", [0, 1, 2, 3])
    assert not tensor.data.flags.writeable
    assert tensor.data.base is not None


def test_json_mixes_all_sources() -> None:
    body = [
        entry("a", parameters={"binary_data_size": 8}),
        entry("b", parameters=memory_of()),
        entry("c", data=[7, 7, 7, 7]),
        entry("d", parameters={"binary_data_size": 8}),
    ]
    inputs = of_json(*body, tail=(VALUES + 1).tobytes() + (VALUES + 2).tobytes()).inputs
    assert [inputs[name].data[0] for name in "abcd"] == [1, 0, 7, 2]


def test_raw_contents_skip_what_is_in_memory() -> None:
    inputs = of_grpc(
        entry("a", parameters=memory_of()),
        entry("b"),
        entry("c", parameters=memory_of()),
        entry("d"),
        raw_input_contents=[(VALUES + 1).tobytes(), (VALUES + 2).tobytes()],
    ).inputs
    assert [inputs[name].data[0] for name in "abcd"] == [0, 1, 0, 2]
    inputs = of_grpc(entry("a", parameters=memory_of()), entry("b", contents={"int_contents": [5] * 4})).inputs
    assert [inputs[name].data[0] for name in "ab"] == [0, 5]


def test_raw_contents_must_fit_the_others() -> None:
    raw = VALUES.tobytes()
    here, there = entry("a"), entry("b", parameters=memory_of())
    missing = "unable to find data for input tensor 'a' for model 'm' in request."
    assert refused(of_grpc, there, here) == (InvalidRequest, missing)
    kind, words = refused(of_grpc, there, here, raw_input_contents=[raw, raw])
    assert (kind, "unexpected additional raw_input_contents" in words) == (InvalidRequest, True)
    both = (InvalidRequest, "unexpected 'content' provided when using shared memory for input tensor 'b' for model 'm'")
    assert refused(of_grpc, {**there, "contents": {"int_contents": [1] * 4}}) == both


def test_strings_are_copied_out() -> None:
    region = bytearray(b"\1\0\0\0a\1\0\0\0b")
    raw = orjson.dumps({"inputs": [entry(datatype="BYTES", shape=[2], parameters=memory_of("s", 0, 10))]})
    request, _ = infer_json.decode("m", "", raw, None, LIMITS, Memory({"s": region}))  # type: ignore[dict-item]
    region[:] = bytes(10)
    assert request.inputs["x"].data.tolist() == [b"a", b"b"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (memory_of(1), "Unable to parse 'shared_memory_region': attempt to access JSON non-string as string"),
        (memory_of([]), "Unable to parse 'shared_memory_region': attempt to access JSON non-string as string"),
        *(
            (memory_of(**{name: value}), f"Unable to parse 'shared_memory_{name}': attempt to access JSON {unsigned}")
            for name in ("offset", "byte_size")
            for value in (-1, "0", 1.0, 2**64, True)
            for unsigned in ("non-unsigned-integer as unsigned-integer",)
        ),
    ],
)
def test_json_that_is_wrong(parameters: dict[str, Any], words: str) -> None:
    assert refused(of_json, entry(parameters=parameters)) == (MalformedBody, words)
    outputs = [{"name": "y", "parameters": parameters}]
    assert refused(of_json, outputs=outputs) == (MalformedBody, words)


@pytest.mark.parametrize(
    ("more", "also"),
    [
        ({"data": [1] * 4}, "'data' "),
        ({"parameters": memory_of(binary_data_size=8)}, "'binary_data_size' "),
        ({"data": [1] * 4, "parameters": memory_of(binary_data_size=8)}, "'data' 'binary_data_size' "),
    ],
)
def test_an_input_has_one_source(more: dict[str, Any], also: str) -> None:
    words = (
        "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', "
        f"'shared_memory_region' in 'parameters'. But set {also}'shared_memory_region'"
    )
    assert refused(of_json, {**entry(parameters=memory_of()), **more}, tail=bytes(8)) == (InvalidRequest, words)


def wrong_kind(name: str, kind: str) -> str:
    return f"invalid value type for 'shared_memory_{name}' parameter for tensor 'x', expected {kind}."


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (memory_of(region=1), wrong_kind("region", "string_param")),
        (memory_of(offset="0"), wrong_kind("offset", "int64_param")),
        (memory_of(byte_size="8"), wrong_kind("byte_size", "int64_param")),
        (memory_of(byte_size=True), wrong_kind("byte_size", "int64_param")),
        (
            memory_of(byte_size=None),
            "'shared_memory_byte_size' must be specified along with 'shared_memory_region' parameter for tensor 'x'",
        ),
        (
            memory_of(region=None, byte_size=None),
            "'shared_memory_offset' can not be specified without 'shared_memory_region' parameter for tensor 'x'",
        ),
        (
            memory_of(region=None, offset=None),
            "'shared_memory_byte_size' can not be specified without 'shared_memory_region' parameter for tensor 'x'",
        ),
    ],
)
def test_a_message_that_is_wrong(parameters: dict[str, Any], words: str) -> None:
    assert refused(of_grpc, entry(parameters=parameters)) == (InvalidRequest, words)
    outputs = [{"name": "x", "parameters": typed(parameters)}]
    assert refused(of_grpc, outputs=outputs) == (InvalidRequest, words)


def test_negative_sizes_of_a_message_are_very_large_ones() -> None:
    outputs = [{"name": "x", "parameters": typed(memory_of(offset=-1, byte_size=-2))}]
    assert of_grpc(outputs=outputs).output_memory == {"x": Place("r", 2**64 - 1, 2**64 - 2)}


@pytest.mark.parametrize("is_grpc", [False, True])
def test_outputs_in_memory(is_grpc: bool) -> None:
    parameters = typed(memory_of()) if is_grpc else memory_of()
    request = (of_grpc if is_grpc else of_json)(outputs=[{"name": "y", "parameters": parameters}, {"name": "z"}])
    assert [output.name for output in request.outputs] == ["y", "z"]
    assert request.output_memory == {"y": Place("r", 2, 8)}
    assert (of_grpc if is_grpc else of_json)(outputs=[{"name": "z"}]).output_memory is None


@pytest.mark.parametrize("value", [0, 2])
def test_classes_are_not_stored(value: int) -> None:
    both = " can't set both 'shared_memory_region' and 'classification'"
    outputs: list[dict[str, Any]] = [{"name": "y", "parameters": memory_of(classification=value)}]
    assert refused(of_json, outputs=outputs) == (InvalidRequest, "Output" + both)
    outputs[0]["parameters"] = typed(outputs[0]["parameters"])
    assert refused(of_grpc, outputs=outputs) == (InvalidRequest, "output" + both)


def test_binary_data_is_not_stored() -> None:
    outputs = [{"name": "y", "parameters": memory_of(binary_data=True)}]
    words = "Output can't set both 'shared_memory_region' and 'binary_data'"
    assert refused(of_json, outputs=outputs) == (InvalidRequest, words)
    outputs[0]["parameters"]["binary_data"] = False
    assert of_json(outputs=outputs).output_memory == {"y": Place("r", 2, 8)}


def test_without_a_memory_there_is_none() -> None:
    off = "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable."
    raw = orjson.dumps({"inputs": [entry(parameters=memory_of())]})
    with pytest.raises(Unsupported, match=off):
        infer_json.decode("m", "", raw, None, LIMITS)


def test_stored_outputs_are_only_named() -> None:
    tensors = [Tensor("y", "INT16", VALUES), Tensor("z", "INT16", VALUES)]
    answer = InferResponse("m", "1", tensors, stored=frozenset("y"))
    head = b'{"name":"y","datatype":"INT16","shape":[4]},{"name":"z","datatype":"INT16","shape":[4],'
    for is_binary, rest, tail in (
        (False, b'"data":[0,1,2,3]}]}', ()),
        (True, b'"parameters":{"binary_data_size":8}}]}', (VALUES.tobytes(),)),
    ):
        asked = InferRequest("m", outputs=(RequestedOutput("y"), RequestedOutput("z", is_binary)))
        encoded = infer_answer.encode(asked, answer, True)
        assert encoded == (b'{"model_name":"m","model_version":"1","outputs":[' + head + rest, tail)
    message = message_class("ModelInferResponse").FromString(grpc_answer.encode(answer))
    assert list(message.raw_output_contents) == [b"", VALUES.tobytes()]
    assert [output.name for output in message.outputs] == ["y", "z"]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@given(st.fixed_dictionaries({}, optional={"key": PLAIN, "offset": PLAIN, "byte_size": PLAIN}))
def test_any_registration_is_read_or_refused(document: dict[str, Any]) -> None:
    try:
        key, offset, byte_size = read_registration(document)
    except (InvalidRequest, MalformedBody):
        return
    assert (type(key), type(offset), type(byte_size)) == (str, int, int)
    assert min(offset, byte_size) >= 0


@given(
    st.fixed_dictionaries(
        {"shared_memory_region": PLAIN}, optional={"shared_memory_offset": PLAIN, "shared_memory_byte_size": PLAIN}
    )
)
def test_any_pointer_is_followed_or_refused(parameters: dict[str, Any]) -> None:
    raw = orjson.dumps({"inputs": [entry(parameters=parameters)], "outputs": [{"name": "y", "parameters": parameters}]})
    try:
        infer_json.decode("m", "", raw, None, LIMITS, Memory())
    except NaiadError:
        return
    assert parameters["shared_memory_byte_size"] == 8
