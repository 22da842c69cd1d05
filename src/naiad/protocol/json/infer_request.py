"""A v2 `/infer` request: bytes → InferRequest. Pure; the messages and their order are Triton's (its http_server.cc).

Lives here: the JSON part and how it points into the binary tail. Not here: what tensors look like inside
(`tensor.py`, `protocol/binary.py`), and whether they suit the model (`serving.validation`). The way back is
`infer_answer.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from naiad.core.client_memory import NO_MEMORY, ClientMemory, OutputMemory
from naiad.core.errors import InvalidRequest, MalformedBody
from naiad.core.message import InferRequest, RequestedOutput
from naiad.protocol import binary
from naiad.protocol.json import tensor as tensor_json
from naiad.protocol.json.body import (
    MISSING,
    as_object,
    parse_json,
    read_boolean,
    read_list,
    read_text,
    read_unsigned,
    set_parameter,
)
from naiad.protocol.json.pieces import PIECE_BYTES, Keys, parse_in_pieces
from naiad.protocol.limits import Limits, check_parameters, too_long, too_many
from naiad.protocol.shapes import count_elements
from naiad.protocol.shared_memory import REGION, range_of_json

_SOURCES = (
    "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', "
    "'shared_memory_region' in 'parameters'. But "
)


def decode(
    model_name: str,
    version: str,
    body: bytes,
    header_length: int | None,
    limits: Limits,
    memory: ClientMemory = NO_MEMORY,
    parse: Callable[[bytes, Limits], dict[str, Any]] = parse_json,
) -> tuple[InferRequest, bool]:
    """Decode a request; returns it and whether outputs that it did not list are wanted as binary.

    header_length: value of `Inference-Header-Content-Length`; None = the whole body is JSON. memory: where tensors are
    that were not sent. parse: `parse_long` for a long JSON part, with the same result. Raises MalformedBody for bytes
    that cannot be parsed, InvalidRequest for values that cannot be, and what `memory` raises.
    """
    head = body if header_length is None else body[:header_length]
    document = parse(head, limits)
    request_id = document.get("id", "")
    if type(request_id) is not str:
        read_text("id", request_id)
    if len(request_id) > limits.id_length:
        raise too_long("request id", len(request_id), limits.id_length)
    request = InferRequest(model_name, version, request_id)
    binary_default = False
    if "parameters" in document:
        binary_default = _take_parameters(request, document["parameters"], limits)
    tail = memoryview(body)[header_length:] if header_length is not None else None
    entries = document.get("inputs", MISSING)
    if type(entries) is not list:
        read_list("inputs", entries)
    has_numbers, wrong_size = _take_inputs(request, entries, tail, limits, memory)
    # One letter is looked for much faster than a word, and in numbers and the protocol's own words neither is common.
    if has_numbers and ((b"r" in head and b"true" in head) or (b"l" in head and b"false" in head)):
        for entry in entries:
            if "data" in entry:
                tensor_json.refuse_booleans(entry["datatype"], entry["data"])
    if "outputs" in document:
        _take_outputs(request, document["outputs"], limits, memory)
    if wrong_size is not None:
        raise binary.WrongSize(wrong_size[1], tensor=wrong_size[0])
    return request, binary_default


def parse_long(raw: bytes, limits: Limits, piece_bytes: int = PIECE_BYTES) -> dict[str, Any]:
    """Parse as `parse_json` does, in pieces; `data` that does not fit into one is a LargeArray."""
    return as_object(parse_in_pieces(raw, limits, _is_data, piece_bytes), "")


def _is_data(keys: Keys) -> bool:
    return keys == ["inputs", None, "data"]


def _take_parameters(request: InferRequest, parameters: Any, limits: Limits) -> bool:
    """Move the protocol's own parameters into fields, keep the caller's; returns `binary_data_output`."""
    if type(parameters) is not dict:
        raise MalformedBody("failed to get request params.: attempt to get members for non-object")
    check_parameters(parameters, limits)
    binary_default = False
    for key, value in parameters.items():
        if key == "binary_data_output":
            binary_default = read_boolean(key, value)
        else:
            set_parameter(request, key, value)
    return binary_default


def _take_inputs(
    request: InferRequest, entries: list[Any], tail: memoryview | None, limits: Limits, memory: ClientMemory
) -> tuple[bool, tuple[str, str] | None]:
    """Put every input into the request; returns whether any has its numbers in the JSON, and what is told last.

    That is the last input of a wrong size, and what to say of it.
    """
    if len(entries) > limits.tensors:
        raise too_many("inputs", len(entries), limits.tensors)
    inputs, longest_name = request.inputs, limits.name_length
    has_numbers = False
    wrong_size: tuple[str, str] | None = None
    at = 0
    for entry in entries:
        is_plain = type(entry) is dict and "data" in entry and "parameters" not in entry
        size = MISSING if is_plain else _check_source(entry)
        name, datatype, shape = entry.get("name", MISSING), entry.get("datatype", MISSING), entry.get("shape", MISSING)
        if type(name) is not str or type(datatype) is not str or type(shape) is not list or len(name) > longest_name:
            raise _wrong_head(name, datatype, shape, limits)
        count = count_elements(name, datatype, shape, True)
        if name in inputs:
            raise InvalidRequest(f"{request.mark}input '{name}' already exists in request")
        try:
            if "data" not in entry:
                raw = _in_memory(entry, memory) if size is MISSING else _cut(request, name, tail, at, size)
                at += 0 if size is MISSING else size
                tensor = binary.decode(name, datatype, tuple(shape), raw, request, limits)
            elif datatype == "BYTES":
                tensor = tensor_json.decode_strings(name, shape, entry["data"], request, limits)
            else:
                tensor = tensor_json.decode(name, datatype, shape, count, entry["data"], limits)
                has_numbers = True
        except binary.WrongSize as error:
            wrong_size = name, error.message
            continue
        inputs[name] = tensor
    if tail is not None and at != len(tail):
        raise InvalidRequest(f"unexpected additional input data for model '{request.model_name}'")
    return has_numbers, wrong_size


def _cut(request: InferRequest, name: str, tail: memoryview | None, at: int, size: Any) -> bytes | memoryview:
    """The bytes of one input from the tail; fewer than it needs are an error, and so is a size that is none."""
    if type(size) is not int or size < 0:
        read_unsigned("binary_data_size", size)
    raw = b"" if tail is None else tail[at : at + size]
    if len(raw) < size:
        raise InvalidRequest(
            f"unexpected size for input '{name}', expecting {size - len(raw)} additional bytes for model "
            f"'{request.model_name}'"
        )
    return raw


def _wrong_head(name: Any, datatype: Any, shape: Any, limits: Limits) -> InvalidRequest:
    """Return what is wrong with an input's name, datatype or shape, or raise it."""
    read_text("name", name)
    read_text("datatype", datatype)
    read_list("shape", shape)
    return too_long("name of an input", len(name), limits.name_length)


def _check_source(entry: Any) -> Any:
    """Check that an input's data is in one place; returns how much of the tail is said to be it, or MISSING.

    That must still be checked: what is wrong with an input's name, datatype or shape is told first.
    """
    if type(entry) is not dict:
        raise InvalidRequest(_SOURCES + "no field is set")
    has_data = "data" in entry
    parameters = entry.get("parameters")
    if type(parameters) is not dict:  # as if there were none
        if has_data:
            return MISSING
        raise InvalidRequest(_SOURCES + "no field is set")
    size = parameters.get("binary_data_size", MISSING)
    if REGION in parameters:
        also = ("'data' " if has_data else "") + ("'binary_data_size' " if size is not MISSING else "")
        if also:
            raise InvalidRequest(f"{_SOURCES}set {also}'{REGION}'")
        return MISSING
    if size is MISSING:
        if has_data:
            return MISSING
        raise InvalidRequest(_SOURCES + "no field is set")
    if has_data:
        raise InvalidRequest(_SOURCES + "set 'data' 'binary_data_size'")
    return size


def _in_memory(entry: dict[str, Any], memory: ClientMemory) -> memoryview:
    """The bytes of an input that was not sent."""
    return memory.read(*range_of_json(entry["parameters"], memory))


def _take_outputs(request: InferRequest, entries: Any, limits: Limits, memory: ClientMemory) -> None:
    if type(entries) is not list:
        raise MalformedBody("Unable to parse 'outputs': attempt to access JSON non-array as array")
    if len(entries) > limits.tensors:
        raise too_many("outputs", len(entries), limits.tensors)
    outputs: list[RequestedOutput] = []
    places: dict[str, OutputMemory] = {}
    seen: set[str] = set()
    for entry in entries:
        members = entry if type(entry) is dict else {}
        name = read_text("name", members.get("name", MISSING))
        if len(name) > limits.name_length:
            raise too_long("name of an output", len(name), limits.name_length)
        parameters = members.get("parameters")
        output = _output(name, parameters if type(parameters) is dict else {}, memory, places)
        if output.name in seen:
            raise InvalidRequest(f"output '{output.name}' already exists in request")
        seen.add(output.name)
        outputs.append(output)
    request.outputs = tuple(outputs)
    request.output_memory = places or None


def _output(
    name: str, parameters: dict[str, Any], memory: ClientMemory, places: dict[str, OutputMemory]
) -> RequestedOutput:
    binary_data = read_boolean("binary_data", parameters.get("binary_data", False))
    if REGION in parameters:
        if "classification" in parameters or binary_data:
            other = "classification" if "classification" in parameters else "binary_data"
            raise InvalidRequest(f"Output can't set both '{REGION}' and '{other}'")
        places[name] = memory.reserve(*range_of_json(parameters, memory))
        return RequestedOutput(name)
    class_count = parameters.get("classification", 0)
    if type(class_count) is not int or not 0 <= class_count < 2**64:
        raise MalformedBody(
            "Unable to set 'classification': attempt to access JSON non-unsigned-integer as unsigned-integer"
        )
    return RequestedOutput(name, binary_data, class_count)
