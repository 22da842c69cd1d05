"""Tensors as JSON values, both ways; the twin of `binary.py`.

JSON has no half precision, no NaN and no bytes that are not text: each is an error that says to use binary data.
"""

from __future__ import annotations

from array import array
from math import prod
from typing import Any

import numpy as np
import orjson

from naiad.core.datatypes import BY_NAME
from naiad.core.errors import Failed, InvalidRequest, MalformedBody
from naiad.core.message import InferRequest
from naiad.core.tensor import Array, Tensor, bytes_tensor, raw_strings, wire_array
from naiad.protocol.binary import check_strings, wrong_size
from naiad.protocol.json_body import read_list
from naiad.protocol.limits import Limits

_NUMPY = orjson.OPT_SERIALIZE_NUMPY
_TYPECODES = {
    "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q",
    "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q",
    "FP32": "f", "FP64": "d",
}  # fmt: skip
_DTYPES = {name: BY_NAME[name].numpy for name in _TYPECODES}


def decode(name: str, datatype: str, shape: list[int], count: int, data: Any, limits: Limits) -> Tensor:
    """Make a tensor of `count` elements, which is what `shape` has, from a flat or nested JSON array.

    Raises MalformedBody when the data does not fill the shape or is of another type; InvalidRequest for a datatype that
    JSON cannot carry and for more than the limits allow.
    """
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
    if not shape:
        data = _flatten([data])
    if not count or (not shape and len(data) != 1):  # Triton does not look at it either; what is wrong is the shape
        return Tensor(name, datatype, np.zeros(shape, BY_NAME[datatype].numpy))
    return Tensor(name, datatype, _numbers(name, datatype, count, read_list("data", data)).reshape(shape))


def _numbers(name: str, datatype: str, count: int, data: list[Any]) -> Array:
    flat = _flatten(data)
    _check_count(len(flat), count)
    if datatype == "BOOL":
        if not all(type(value) is bool for value in flat):
            raise _wrong_element(datatype)
        return np.array(flat, dtype=np.bool_)
    try:  # `array` checks type and range as it goes, which np.array(…, dtype) does not
        return np.frombuffer(array(_TYPECODES[datatype], flat), dtype=_DTYPES[datatype])
    except TypeError as error:
        raise _wrong_element(datatype) from error
    except OverflowError as error:
        if datatype in ("INT64", "UINT64") or (datatype[0] == "U" and min(flat) < 0):
            raise _wrong_element(datatype) from error
        raise MalformedBody(
            f"Unable to parse 'data': input '{name}' holds a number that {datatype} cannot", tensor=name
        ) from error


def _wrong_element(datatype: str) -> MalformedBody:
    if datatype == "BOOL":
        wanted = "non-boolean as boolean"
    elif datatype in ("FP32", "FP64"):
        wanted = "non-number as double"
    else:
        kind = "unsigned-integer" if datatype[0] == "U" else "signed-integer"
        wanted = f"non-{kind} as {kind}"
    return MalformedBody(f"Unable to parse 'data': attempt to access JSON {wanted}")


def refuse_booleans(datatype: str, data: Any) -> None:
    """Raise MalformedBody for true and false among numbers, which `decode` takes for 1 and 0."""
    if datatype not in ("BOOL", "BYTES") and any(type(value) is bool for value in _flatten([data])):
        raise _wrong_element(datatype)


def _check_count(got: int, expected: int) -> None:
    if got != expected:
        raise MalformedBody("Unable to parse 'data': Shape does not match true shape of 'data' field")


def _flatten(data: list[Any]) -> list[Any]:
    """Leaves in row-major order; each value is looked at once, however the lists are nested."""
    flat: list[Any] = []
    pending: list[Any] = [data]
    while pending:
        value = pending.pop()
        if type(value) is not list:
            flat.append(value)
        elif any(type(item) is list for item in value):
            pending.extend(reversed(value))
        else:
            flat.extend(value)
    return flat


def decode_strings(name: str, shape: list[int], data: Any, request: InferRequest, limits: Limits) -> Tensor:
    """Make a BYTES tensor. Raises MalformedBody when there is anything but strings, InvalidRequest for their number."""
    count = prod(shape)
    if count > limits.string_elements:
        check_strings(name, count, 0, limits)
    is_flat = len(read_list("data", data)) == count and list not in map(type, data)
    try:
        values = [value.encode() for value in (data if is_flat else _flatten(data))]
    except AttributeError as error:
        raise MalformedBody("Unable to parse JSON bytes array: attempt to access JSON non-string as string") from error
    if len(values) != count:
        raise wrong_size(name, BY_NAME["BYTES"], count, len(values), request)
    longest = len(values[0]) if count == 1 else max(map(len, values), default=0)
    if longest > limits.string_bytes:
        check_strings(name, count, longest, limits)
    return bytes_tensor(name, values, tuple(shape))


def encode(tensor: Tensor) -> bytes:
    """Return the data as one flat, row-major JSON array, as Triton prints it.

    Raises Failed for values that JSON cannot carry, InvalidRequest for datatypes that it cannot.
    """
    if tensor.datatype == "BYTES":
        return _encode_strings(tensor)
    if tensor.datatype in ("FP16", "BF16"):
        raise InvalidRequest(
            f"sending {tensor.datatype} data via JSON is not supported. Please use the binary data format for output"
        )
    numbers = tensor.data
    flags = numbers.flags
    if numbers.dtype != _DTYPES.get(tensor.datatype) or not flags.c_contiguous or not flags.aligned:
        numbers = wire_array(tensor)
        if not numbers.flags.aligned:  # what a client sent behind a JSON header may begin anywhere, and come back so
            numbers = numbers.copy()
    raw = orjson.dumps(numbers.reshape(-1), option=_NUMPY)
    if b"null" in raw:
        raise Failed(
            f"output '{tensor.name}' holds NaN or infinity, which JSON cannot represent. Request it as binary data.",
            tensor=tensor.name,
        )
    return raw


def _encode_strings(tensor: Tensor) -> bytes:
    try:
        return orjson.dumps([value.decode() for value in raw_strings(tensor)])
    except UnicodeDecodeError as error:
        raise Failed(
            f"output '{tensor.name}' holds bytes that are not UTF-8, which JSON cannot carry. "
            "Ask for it as binary data.",
            tensor=tensor.name,
        ) from error
