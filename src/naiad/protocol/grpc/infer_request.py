"""A ModelInferRequest → InferRequest. Pure; the messages are Triton's (its infer_handler.cc).

Not here: whether the tensors suit the model (`serving.validation`). The way back is `infer_answer.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from naiad.core.client_memory import NO_MEMORY, ClientMemory, OutputMemory
from naiad.core.datatypes import BY_NAME, Datatype
from naiad.core.errors import InvalidRequest, NaiadError
from naiad.core.message import InferRequest, Parameter, RequestedOutput
from naiad.core.tensor import Array, Tensor, bytes_tensor, gather_strings
from naiad.protocol import binary
from naiad.protocol.grpc.large import split
from naiad.protocol.grpc.messages import parse
from naiad.protocol.limits import Limits, check_parameters, too_long, too_many
from naiad.protocol.sequence import SEQUENCE_KEYS, set_sequence
from naiad.protocol.shapes import count_elements
from naiad.protocol.shared_memory import range_of_grpc

LARGE_BYTES = 32 * 1024
"""From here on looking for raw contents ourselves is cheaper than two copies of them."""

_PIECE_ELEMENTS = 64 * 1024
"""Taken out of a message by one call; no call may hold up the event loop, from whichever thread it is made."""

_HELD = {
    "bool_contents": "BOOL", "int_contents": "INT32", "int64_contents": "INT64", "uint_contents": "UINT32",
    "uint64_contents": "UINT64", "fp32_contents": "FP32", "fp64_contents": "FP64", "bytes_contents": "BYTES",
}  # fmt: skip
"""Field of InferTensorContents → the datatype that Triton names it by."""

_TYPES = {
    "sequence_id": ("int64_param", "string_param"),
    "sequence_start": ("bool_param",),
    "sequence_end": ("bool_param",),
    "priority": ("int64_param", "uint64_param"),
    "timeout": ("int64_param",),
    "triton_enable_empty_final_response": ("bool_param",),
}
"""Parameters that the protocol knows, and the kinds of value they take."""

_CUSTOM = ("int64_param", "bool_param", "string_param", "double_param")
"""Kinds of value that the caller's own parameters may have."""

_PACKED_AS_THEY_ARE = ("bool_contents", "fp32_contents", "fp64_contents")
"""Fields whose bytes in the message are the elements' own; protobuf writes integers in a variable length."""

Raws = Sequence[bytes | memoryview]


def parse_request(raw: bytes) -> tuple[Any, Raws]:
    """Return the message and its raw contents, which for large messages are views. Raises MalformedBody."""
    if len(raw) < LARGE_BYTES:
        message = parse("ModelInferRequest", raw)
        return message, message.raw_input_contents
    rest, contents = split(raw)
    message = parse("ModelInferRequest", rest)
    return message, contents or message.raw_input_contents


def decode(message: Any, contents: Raws, limits: Limits, memory: ClientMemory = NO_MEMORY) -> InferRequest:
    """Make a request of a parsed message and its raw contents.

    memory: where tensors are that were not sent. Raises InvalidRequest, and what `memory` raises.
    """
    request = InferRequest(message.model_name, message.model_version, message.id)
    if len(request.model_name) > limits.name_length:
        raise too_long("model name", len(request.model_name), limits.name_length)
    if len(request.id) > limits.id_length:
        raise too_long("request id", len(request.id), limits.id_length)
    if message.parameters:
        check_parameters(message.parameters, limits)
        _take_parameters(request, message.parameters)
    entries = message.inputs
    if len(entries) > limits.tensors:
        raise too_many("inputs", len(entries), limits.tensors)
    try:
        wrong_size = _take_inputs(request, entries, contents, limits, memory)
    except InvalidRequest:
        _refuse_doubles(request, entries)
        raise
    if message.outputs:
        _take_outputs(request, message.outputs, limits, memory)
    if wrong_size is not None:
        _refuse_doubles(request, entries)
        raise binary.WrongSize(wrong_size[1], tensor=wrong_size[0])
    return request


class Apart(NamedTuple):
    """What a long message was read to, apart from the loop, which alone knows the model that it is for."""

    model_name: str
    model_version: str
    request_id: str
    request: InferRequest | NaiadError
    """What is wrong with it is told after what is wrong with the model's name."""

    def checked(self) -> InferRequest:
        """Return the request, or raise what is wrong with it."""
        if isinstance(self.request, NaiadError):
            raise self.request
        return self.request


def decode_apart(raw: bytes, limits: Limits, memory: ClientMemory) -> Apart:
    """Read a message that takes long; for a thread. Raises MalformedBody."""
    message, contents = parse_request(raw)
    try:
        request: InferRequest | NaiadError = decode(message, contents, limits, memory)
    except NaiadError as error:
        request = error.with_traceback(None)  # which would refer to frames that hold the message
    return Apart(message.model_name, message.model_version, message.id, request)


def _take_parameters(request: InferRequest, parameters: Mapping[str, Any]) -> None:
    """Move the protocol's own parameters into fields, keep the caller's."""
    for key, parameter in parameters.items():
        if key.startswith("triton_") and key not in _TYPES:
            raise InvalidRequest(
                "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys "
                "starting with 'triton_' are allowed: triton_enable_empty_final_response"
            )
        value = _value(key, parameter)
        if key == "priority":
            request.priority = _unsigned(key, value)
        elif key == "timeout":
            request.timeout_us = _unsigned(key, value)
        elif key in SEQUENCE_KEYS:
            # Triton's ids are unsigned; over gRPC they come as int64, so that a negative one is a large one.
            set_sequence(request, key, value % 2**64 if type(value) is int else value)  # type: ignore[arg-type]
        elif key == "triton_enable_empty_final_response":
            request.wants_empty_final = value is True
        else:
            request.parameters[key] = value


def _value(key: str, parameter: Any) -> Parameter:
    choice = parameter.WhichOneof("parameter_choice")
    kinds = _TYPES.get(key)
    if choice not in (kinds or _CUSTOM):
        expected = " or ".join(kinds) if kinds else "int64_param, bool_param, or string_param"
        raise InvalidRequest(f"invalid value type for '{key}' parameter, expected {expected}.")
    value: Parameter = getattr(parameter, choice)
    return value


def _unsigned(key: str, value: Parameter) -> int:
    assert isinstance(value, int)
    if value < 0:
        raise InvalidRequest(f"invalid value for '{key}', expected value >= 0.")
    return value


def _take_inputs(
    request: InferRequest, entries: Sequence[Any], contents: Raws, limits: Limits, memory: ClientMemory
) -> tuple[str, str] | None:
    """Put every input into the request; returns the last one of a wrong size, and what to say of it."""
    inputs = request.inputs
    has_raw = len(contents) > 0
    wrong_size: tuple[str, str] | None = None
    at = 0
    for entry in entries:
        name, datatype = entry.name, entry.datatype
        if len(name) > limits.name_length:
            raise too_long("name of an input", len(name), limits.name_length)
        shape = tuple(entry.shape[:])  # twice as fast as without [:]
        count = count_elements(name, datatype, shape)
        if name in inputs:
            raise InvalidRequest(f"{request.mark}input '{name}' already exists in request")
        place = range_of_grpc(name, entry.parameters, memory) if entry.parameters else None
        try:
            if entry.HasField("contents"):
                if has_raw or place is not None:
                    raise _two_sources(request, name, place is not None)
                tensor = _typed(request, entry, shape, count, limits)
            elif place is not None:
                tensor = binary.decode(name, datatype, shape, memory.read(*place), request, limits)
            elif at < len(contents):
                raw, at = contents[at], at + 1
                tensor = binary.decode(name, datatype, shape, raw, request, limits)
            else:
                raise InvalidRequest(
                    f"unable to find data for input tensor '{name}' for model '{request.model_name}' in request."
                )
        except binary.WrongSize as error:
            wrong_size = name, error.message
            continue
        inputs[name] = tensor
    if len(contents) > at:
        raise InvalidRequest(
            f"unexpected additional raw_input_contents for model '{request.model_name}': {len(contents)} for "
            f"{at} inputs"
        )
    return wrong_size


def _refuse_doubles(request: InferRequest, entries: Sequence[Any]) -> None:
    """Raise InvalidRequest for a name that is given twice: Triton tells of it before any other mistake of an input."""
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise InvalidRequest(f"{request.mark}input '{entry.name}' already exists in request")
        seen.add(entry.name)


def _two_sources(request: InferRequest, name: str, in_memory: bool) -> InvalidRequest:
    if in_memory:
        text = f"unexpected 'content' provided when using shared memory for input tensor '{name}'"
    else:
        text = f"contents field must not be specified when using raw_input_contents for '{name}'"
    return InvalidRequest(f"{text} for model '{request.model_name}'", tensor=name)


def _typed(request: InferRequest, entry: Any, shape: tuple[int, ...], count: int, limits: Limits) -> Tensor:
    """Make a tensor of typed contents."""
    name, row = entry.name, BY_NAME[entry.datatype]
    values: Sequence[Any] = ()
    for field, held in entry.contents.ListFields():
        if values and field.name != row.contents_field:
            raise InvalidRequest(
                f"unexpected explicit tensor data for input tensor '{name}' for model '{request.model_name}', binary "
                "data was already supplied."
            )
        if field.name != row.contents_field:
            raise InvalidRequest(
                f"unexpected explicit tensor data for input tensor '{name}' for model '{request.model_name}' of type "
                f"'{_HELD[field.name]}', expected datatype '{row.name}'"
            )
        values = held
    if len(values) != count:
        raise binary.wrong_size(name, row, count, len(values) * max(1, row.size_bytes), request)
    if row.name == "BYTES":
        binary.check_strings(name, count, 0, limits)
        elements = list(values) if count <= _PIECE_ELEMENTS else gather_strings(iter(values), count)[0]
        binary.check_strings(name, count, binary.longest_of(elements), limits)
        return bytes_tensor(name, elements, shape)
    return Tensor(name, row.name, _numbers(entry.contents, row, values, count).reshape(shape))


def _numbers(contents: Any, row: Datatype, values: Sequence[Any], count: int) -> Array:
    """Return (count,) numbers. Raises InvalidRequest for one that the datatype cannot hold."""
    if row.contents_field in _PACKED_AS_THEY_ARE:
        packed = contents.SerializeToString()
        return np.frombuffer(packed, row.numpy, count, len(packed) - count * row.size_bytes)
    made = np.empty(count, row.numpy)
    try:
        for at in range(0, count, _PIECE_ELEMENTS):
            piece = values[at : at + _PIECE_ELEMENTS]
            made[at : at + len(piece)] = np.fromiter(piece, row.numpy, len(piece))
    except OverflowError as error:
        raise InvalidRequest(f"{row.contents_field} holds a value that {row.name} cannot: {error}") from error
    return made


def _take_outputs(request: InferRequest, entries: Sequence[Any], limits: Limits, memory: ClientMemory) -> None:
    if len(entries) > limits.tensors:
        raise too_many("outputs", len(entries), limits.tensors)
    outputs: dict[str, RequestedOutput] = {}
    places: dict[str, OutputMemory] = {}
    for entry in entries:
        if entry.name in outputs:
            raise InvalidRequest(f"output '{entry.name}' already exists in request")
        if len(entry.name) > limits.name_length:
            raise too_long("name of an output", len(entry.name), limits.name_length)
        if not entry.parameters:
            outputs[entry.name] = RequestedOutput(entry.name, True)
            continue
        outputs[entry.name] = _output(entry.name, entry.parameters, memory, places)
    request.outputs = tuple(outputs.values())
    request.output_memory = places or None


def _output(
    name: str, parameters: Mapping[str, Any], memory: ClientMemory, places: dict[str, OutputMemory]
) -> RequestedOutput:
    place = range_of_grpc(name, parameters, memory)
    if place is None:
        return RequestedOutput(name, True, _class_count(parameters))
    if "classification" in parameters:
        raise InvalidRequest("output can't set both 'shared_memory_region' and 'classification'")
    places[name] = memory.reserve(*place)
    return RequestedOutput(name, True)


def _class_count(parameters: Mapping[str, Any]) -> int:
    if "classification" not in parameters:
        return 0
    wanted = parameters["classification"]
    if wanted.WhichOneof("parameter_choice") != "int64_param":
        raise InvalidRequest("invalid value type for 'classification' parameter, expected int64_param")
    count: int = wanted.int64_param
    if count <= 0:  # the sentence is Triton's, and wrong about 0
        raise InvalidRequest("invalid value for 'classification' parameter, expected >= 0")
    return count
