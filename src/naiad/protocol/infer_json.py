"""A v2 `/infer` request: bytes → InferRequest. Pure; the messages and their order are Triton's (its http_server.cc).

Lives here: the JSON part, the binary tail behind it, and the raw binary request. Not here: whether the tensors suit the
model; that is `serving.validation`. The way back is `infer_answer.py`.
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import orjson

from naiad.core.datatypes import BY_NAME
from naiad.core.errors import InvalidRequest, MalformedBody, Unsupported
from naiad.core.message import InferRequest, Parameter, RequestedOutput
from naiad.core.tensor import Array, Tensor, bytes_tensor
from naiad.protocol import binary
from naiad.protocol.limits import Limits

_TYPECODES = {
    "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q",
    "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q",
    "FP32": "f", "FP64": "d",
}  # fmt: skip
_DTYPES = {name: BY_NAME[name].numpy for name in _TYPECODES}
_LARGEST = 2**63 - 1

_SOURCES = (
    "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', "
    "'shared_memory_region' in 'parameters'. But "
)


def decode(
    model_name: str, version: str, body: bytes, header_length: int | None, limits: Limits
) -> tuple[InferRequest, bool]:
    """Decode a request; returns it and whether outputs that it did not list are wanted as binary.

    header_length: value of `Inference-Header-Content-Length`; None = the whole body is JSON. Raises MalformedBody for
    bytes that cannot be parsed, InvalidRequest for values that cannot be.
    """
    document = parse_json(body if header_length is None else body[:header_length], limits.json_depth)
    request_id = document.get("id", "")
    if type(request_id) is not str:
        raise MalformedBody("Unable to parse 'id': attempt to access JSON non-string as string")
    request = InferRequest(model_name, version, request_id)
    binary_default = False
    if "parameters" in document:
        binary_default = _take_parameters(request, document["parameters"])
    tail = memoryview(body)[header_length:] if header_length is not None else None
    _take_inputs(request, document, tail, limits)
    if "outputs" in document:
        request.outputs = _outputs(document["outputs"], limits)
    return request, binary_default


def parse_json(raw: bytes, max_depth: int) -> dict[str, Any]:
    """Parse a JSON object no deeper than `max_depth`. Raises MalformedBody, or InvalidRequest for the depth."""
    # Counting brackets is cheap and settles it for almost every request: there is no nesting without brackets.
    if raw.count(b"[") + raw.count(b"{") > max_depth and _depth(raw) > max_depth:
        raise InvalidRequest(f"JSON nesting depth exceeds maximum allowed limit ({max_depth})")
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MalformedBody(f"failed to parse the request JSON buffer: {error.msg} at {error.pos}") from error
    if type(document) is not dict:
        raise MalformedBody("failed to parse the request JSON buffer: the request must be a JSON object at 0")
    return document


def _depth(raw: bytes) -> int:
    """Deepest nesting of brackets outside strings."""
    deepest = depth = 0
    in_string = escaped = False
    for byte in raw:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in (0x5B, 0x7B):
            depth += 1
            deepest = max(deepest, depth)
        elif byte in (0x5D, 0x7D):
            depth -= 1
    return deepest


def _take_parameters(request: InferRequest, parameters: Any) -> bool:
    """Move the protocol's own parameters into fields, keep the caller's; returns `binary_data_output`."""
    if type(parameters) is not dict:
        raise MalformedBody("Unable to parse 'parameters': attempt to access JSON non-object as object")
    binary_default = False
    for key, value in parameters.items():
        if key == "binary_data_output":
            binary_default = _boolean(key, value)
        elif key == "priority":
            request.priority = _unsigned(key, value)
        elif key == "timeout":
            request.timeout_us = _unsigned(key, value)
        elif key.startswith("triton_"):
            raise InvalidRequest(
                "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified."
            )
        else:
            request.parameters[key] = _parameter(key, value)
    return binary_default


def _parameter(key: str, value: Any) -> Parameter:
    if isinstance(value, (str, bool, int, float)):
        return value
    raise InvalidRequest(f"parameter '{key}' has invalid type. It should be either 'int', 'bool', or 'string'.")


def _boolean(key: str, value: Any) -> bool:
    if type(value) is not bool:
        raise MalformedBody(f"Unable to parse '{key}': attempt to access JSON non-boolean as boolean")
    return value


def _unsigned(key: str, value: Any) -> int:
    if type(value) is not int or value < 0:
        raise MalformedBody(f"Unable to parse '{key}': attempt to access JSON non-unsigned-integer as unsigned-integer")
    return value


def _take_inputs(request: InferRequest, document: dict[str, Any], tail: memoryview | None, limits: Limits) -> None:
    entries = document.get("inputs")
    if type(entries) is not list:
        raise MalformedBody("Unable to parse 'inputs': the request must have an array 'inputs'")
    if len(entries) > limits.tensors:
        raise InvalidRequest(f"the request names {len(entries)} inputs; at most {limits.tensors} are allowed")
    inputs = request.inputs
    at = 0
    for entry in entries:
        if type(entry) is not dict:
            raise MalformedBody("Unable to parse 'inputs': each input must be an object")
        name: Any = entry.get("name")
        datatype: Any = entry.get("datatype")
        shape: Any = entry.get("shape")
        count = _check_head(name, datatype, shape)
        size = _binary_size(name, entry) if "parameters" in entry else None
        if size is None:
            tensor = _from_json(name, datatype, shape, count, entry, limits)
        else:
            rest = b"" if tail is None else tail[at : at + size]
            if len(rest) < size:
                raise InvalidRequest(
                    f"unexpected size for input '{name}', expecting {size - len(rest)} additional bytes for model "
                    f"'{request.model_name}'"
                )
            tensor = binary.decode(name, datatype, tuple(shape), rest)
            at += size
        if name in inputs:
            raise InvalidRequest(f"input '{name}' already exists in request")
        inputs[name] = tensor
    if tail is not None and at != len(tail):
        raise InvalidRequest(f"unexpected additional input data for model '{request.model_name}'")


def _check_head(name: Any, datatype: Any, shape: Any) -> int:
    """Check name, datatype and shape of one input; returns how many elements the shape has."""
    if type(name) is not str:
        raise MalformedBody("Unable to parse 'name': each input must have a string 'name'")
    if type(shape) is not list:
        raise MalformedBody(f"Unable to parse 'shape': input '{name}' must have an array 'shape'")
    if type(datatype) is not str:
        raise MalformedBody(f"Unable to parse 'datatype': input '{name}' must have a string 'datatype'")
    if datatype not in BY_NAME:
        raise InvalidRequest(f"invalid datatype '{datatype}' for input '{name}'; known: {', '.join(BY_NAME)}")
    count = 1
    for dim in shape:
        if type(dim) is not int:
            raise MalformedBody(f"Unable to parse 'shape': input '{name}' has a dimension that is no integer")
        if dim < 0:
            raise InvalidRequest(
                f"invalid shape for input '{name}': shape {_plain(shape)} contains one or more invalid dimensions"
            )
        count *= dim
    if count > _LARGEST:
        raise InvalidRequest(
            f"invalid shape for input '{name}': shape {_plain(shape)} causes total element count to exceed maximum "
            f"size of {_LARGEST}"
        )
    return count


def _plain(shape: list[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _binary_size(name: str, entry: dict[str, Any]) -> int | None:
    """Bytes of the binary tail that belong to this input; None when its data is in the JSON."""
    parameters = entry["parameters"]
    if type(parameters) is not dict:
        raise MalformedBody(f"Unable to parse 'parameters': those of input '{name}' must be an object")
    if "shared_memory_region" in parameters:
        raise Unsupported("Client shared memory is disabled. This server does not offer it yet; send the data itself.")
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if "data" in entry:
        raise InvalidRequest(_SOURCES + "set 'data' 'binary_data_size'")
    return _unsigned("binary_data_size", size)


def _from_json(name: str, datatype: str, shape: list[int], count: int, entry: dict[str, Any], limits: Limits) -> Tensor:
    """Make a tensor of `count` elements from a flat or nested JSON array."""
    if "data" not in entry:
        raise InvalidRequest(_SOURCES + "no field is set")
    data = entry["data"]
    code = _TYPECODES.get(datatype)
    if code is not None and type(data) is list and len(data) == count:  # flat and full: nearly every request
        try:
            return Tensor(name, datatype, np.ndarray(shape, _DTYPES[datatype], array(code, data)))
        except (TypeError, OverflowError):
            pass  # nested after all, or wrong: told apart below
    if datatype in ("FP16", "BF16"):
        raise InvalidRequest(
            f"receiving {datatype} data via JSON is not supported. Please use the binary data format for input {name}"
        )
    size = count * max(1, BY_NAME[datatype].size_bytes)
    if size > limits.body_bytes:
        raise InvalidRequest(
            f"JSON input '{name}' has a byte_size ({size} bytes) that exceeds the maximum allowed value of "
            f"{limits.body_bytes} bytes. Use --http-max-input-size to increase the limit."
        )
    if type(data) is not list:
        data = [data]  # a scalar, as for shape []
    if datatype == "BYTES":
        return _strings(name, tuple(shape), count, data)
    return Tensor(name, datatype, _numbers(name, datatype, count, data).reshape(shape))


def _numbers(name: str, datatype: str, count: int, data: list[Any]) -> Array:
    flat = _flatten(data)
    _check_count(len(flat), count)
    if datatype == "BOOL":
        if not all(type(value) is bool for value in flat):
            raise MalformedBody(f"Unable to parse 'data': input '{name}' of type BOOL takes true and false")
        return np.array(flat, dtype=np.bool_)
    try:  # `array` checks type and range as it goes, which np.array(…, dtype) does not
        return np.frombuffer(array(_TYPECODES[datatype], flat), dtype=_DTYPES[datatype])
    except (TypeError, OverflowError) as error:
        raise MalformedBody(f"Unable to parse 'data': input '{name}' of type {datatype}: {error}") from error


def _check_count(got: int, expected: int) -> None:
    if got < expected:
        raise MalformedBody("Failed to parse 'data' field: shape does not match true shape")
    if got > expected:
        raise MalformedBody("Unable to parse 'data': Shape does not match true shape of 'data' field")


def _flatten(data: list[Any]) -> list[Any]:
    """Leaves in row-major order; depth is bounded by the JSON depth limit."""
    while any(type(value) is list for value in data):
        level: list[Any] = []
        for value in data:
            if type(value) is list:
                level.extend(value)
            else:
                level.append(value)
        data = level
    return data


def _strings(name: str, shape: tuple[int, ...], count: int, data: list[Any]) -> Tensor:
    flat = _flatten(data)
    _check_count(len(flat), count)
    try:
        values = [value.encode() for value in flat]
    except AttributeError as error:
        raise MalformedBody(f"Unable to parse 'data': input '{name}' of type BYTES takes strings") from error
    return bytes_tensor(name, values, shape)


def _outputs(entries: Any, limits: Limits) -> tuple[RequestedOutput, ...]:
    if type(entries) is not list:
        raise MalformedBody("Unable to parse 'outputs': attempt to access JSON non-array as array")
    if len(entries) > limits.tensors:
        raise InvalidRequest(f"the request names {len(entries)} outputs; at most {limits.tensors} are allowed")
    outputs: list[RequestedOutput] = []
    seen: set[str] = set()
    for entry in entries:
        if type(entry) is not dict or type(entry.get("name")) is not str:
            raise MalformedBody("Unable to parse 'outputs': each output must be an object with a string 'name'")
        output = _output(entry["name"], entry.get("parameters") or {})
        if output.name in seen:
            raise InvalidRequest(f"output '{output.name}' already exists in request")
        seen.add(output.name)
        outputs.append(output)
    return tuple(outputs)


def _output(name: str, parameters: Any) -> RequestedOutput:
    if type(parameters) is not dict:
        raise MalformedBody(f"Unable to parse 'parameters': those of output '{name}' must be an object")
    if "shared_memory_region" in parameters:
        raise Unsupported("Client shared memory is disabled. This server does not offer it yet; take the data itself.")
    binary_data = _boolean("binary_data", parameters.get("binary_data", False))
    return RequestedOutput(name, binary_data, _unsigned("classification", parameters.get("classification", 0)))
