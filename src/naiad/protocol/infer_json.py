"""A v2 `/infer` request: bytes → InferRequest. Pure; the messages and their order are Triton's (its http_server.cc).

Lives here: the JSON part and how it points into the binary tail. Not here: what tensors look like inside
(`tensor_json.py`, `binary.py`), and whether they suit the model (`serving.validation`). The way back is
`infer_answer.py`.
"""

from __future__ import annotations

from typing import Any

from naiad.core.client_memory import NO_MEMORY, ClientMemory
from naiad.core.errors import InvalidRequest, MalformedBody
from naiad.core.message import InferRequest, RequestedOutput
from naiad.protocol import binary, tensor_json
from naiad.protocol.json_body import parse_json, read_boolean, read_unsigned, set_parameter
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
) -> tuple[InferRequest, bool]:
    """Decode a request; returns it and whether outputs that it did not list are wanted as binary.

    header_length: value of `Inference-Header-Content-Length`; None = the whole body is JSON. memory: where tensors are
    that were not sent. Raises MalformedBody for bytes that cannot be parsed, InvalidRequest for values that cannot be,
    and what `memory` raises.
    """
    document = parse_json(body if header_length is None else body[:header_length], limits)
    request_id = document.get("id", "")
    if type(request_id) is not str:
        raise MalformedBody("Unable to parse 'id': attempt to access JSON non-string as string")
    if len(request_id) > limits.id_length:
        raise too_long("request id", len(request_id), limits.id_length)
    request = InferRequest(model_name, version, request_id)
    binary_default = False
    if "parameters" in document:
        binary_default = _take_parameters(request, document["parameters"], limits)
    tail = memoryview(body)[header_length:] if header_length is not None else None
    _take_inputs(request, document, tail, limits, memory)
    if "outputs" in document:
        _take_outputs(request, document["outputs"], limits, memory)
    return request, binary_default


def _take_parameters(request: InferRequest, parameters: Any, limits: Limits) -> bool:
    """Move the protocol's own parameters into fields, keep the caller's; returns `binary_data_output`."""
    if type(parameters) is not dict:
        raise MalformedBody("Unable to parse 'parameters': attempt to access JSON non-object as object")
    check_parameters(parameters, limits)
    binary_default = False
    for key, value in parameters.items():
        if key == "binary_data_output":
            binary_default = read_boolean(key, value)
        else:
            set_parameter(request, key, value)
    return binary_default


def _take_inputs(
    request: InferRequest, document: dict[str, Any], tail: memoryview | None, limits: Limits, memory: ClientMemory
) -> None:
    entries = document.get("inputs")
    if type(entries) is not list:
        raise MalformedBody("Unable to parse 'inputs': the request must have an array 'inputs'")
    if len(entries) > limits.tensors:
        raise too_many("inputs", len(entries), limits.tensors)
    inputs = request.inputs
    at = 0
    for entry in entries:
        if type(entry) is not dict:
            raise MalformedBody("Unable to parse 'inputs': each input must be an object")
        name: Any = entry.get("name")
        datatype: Any = entry.get("datatype")
        shape: Any = entry.get("shape")
        count = _check_head(name, datatype, shape, limits)
        size = _binary_size(name, entry) if "parameters" in entry else None
        if size is None:
            if "data" in entry:
                tensor = tensor_json.decode(name, datatype, shape, count, entry["data"], limits)
            else:
                tensor = binary.decode(name, datatype, tuple(shape), _in_memory(entry, memory), request, limits)
        else:
            rest = b"" if tail is None else tail[at : at + size]
            if len(rest) < size:
                raise InvalidRequest(
                    f"unexpected size for input '{name}', expecting {size - len(rest)} additional bytes for model "
                    f"'{request.model_name}'"
                )
            tensor = binary.decode(name, datatype, tuple(shape), rest, request, limits)
            at += size
        if name in inputs:
            raise InvalidRequest(f"{request.mark}input '{name}' already exists in request")
        inputs[name] = tensor
    if tail is not None and at != len(tail):
        raise InvalidRequest(f"unexpected additional input data for model '{request.model_name}'")


def _check_head(name: Any, datatype: Any, shape: Any, limits: Limits) -> int:
    """Check name, datatype and shape of one input; returns how many elements the shape has."""
    if type(name) is not str:
        raise MalformedBody("Unable to parse 'name': each input must have a string 'name'")
    if len(name) > limits.name_length:
        raise too_long("name of an input", len(name), limits.name_length)
    if type(shape) is not list:
        raise MalformedBody(f"Unable to parse 'shape': input '{name}' must have an array 'shape'")
    if type(datatype) is not str:
        raise MalformedBody(f"Unable to parse 'datatype': input '{name}' must have a string 'datatype'")
    return count_elements(name, datatype, shape)


def _binary_size(name: str, entry: dict[str, Any]) -> int | None:
    """Bytes of the binary tail that belong to this input; None when its data is in the JSON."""
    parameters = entry["parameters"]
    if type(parameters) is not dict:
        raise MalformedBody(f"Unable to parse 'parameters': those of input '{name}' must be an object")
    size = parameters.get("binary_data_size")
    if REGION in parameters:
        also = ("'data' " if "data" in entry else "") + ("'binary_data_size' " if size is not None else "")
        if also:
            raise InvalidRequest(f"{_SOURCES}set {also}'{REGION}'")
        return None
    if size is None:
        return None
    if "data" in entry:
        raise InvalidRequest(_SOURCES + "set 'data' 'binary_data_size'")
    return read_unsigned("binary_data_size", size)


def _in_memory(entry: dict[str, Any], memory: ClientMemory) -> memoryview:
    """The bytes of an input that was not sent."""
    parameters = entry.get("parameters", ())
    if REGION not in parameters:
        raise InvalidRequest(_SOURCES + "no field is set")
    return memory.read(*range_of_json(parameters))


def _take_outputs(request: InferRequest, entries: Any, limits: Limits, memory: ClientMemory) -> None:
    if type(entries) is not list:
        raise MalformedBody("Unable to parse 'outputs': attempt to access JSON non-array as array")
    if len(entries) > limits.tensors:
        raise too_many("outputs", len(entries), limits.tensors)
    outputs: list[RequestedOutput] = []
    seen: set[str] = set()
    for entry in entries:
        if type(entry) is not dict or type(entry.get("name")) is not str:
            raise MalformedBody("Unable to parse 'outputs': each output must be an object with a string 'name'")
        if len(entry["name"]) > limits.name_length:
            raise too_long("name of an output", len(entry["name"]), limits.name_length)
        output = _output(entry["name"], entry.get("parameters") or {}, memory)
        if output.name in seen:
            raise InvalidRequest(f"output '{output.name}' already exists in request")
        seen.add(output.name)
        outputs.append(output)
        if output.memory is not None:
            request.stores_outputs = True
    request.outputs = tuple(outputs)


def _output(name: str, parameters: Any, memory: ClientMemory) -> RequestedOutput:
    if type(parameters) is not dict:
        raise MalformedBody(f"Unable to parse 'parameters': those of output '{name}' must be an object")
    binary_data = read_boolean("binary_data", parameters.get("binary_data", False))
    if REGION in parameters:
        if "classification" in parameters or binary_data:
            other = "classification" if "classification" in parameters else "binary_data"
            raise InvalidRequest(f"Output can't set both '{REGION}' and '{other}'")
        return RequestedOutput(name, memory=memory.reserve(*range_of_json(parameters)))
    return RequestedOutput(name, binary_data, read_unsigned("classification", parameters.get("classification", 0)))
