"""Tensors as JSON values, both ways; the twin of `binary.py`.

JSON has no half precision, no NaN and no bytes that are not text: each is an error that says to use binary data.
"""

from __future__ import annotations

from array import array
from itertools import chain
from math import prod
from typing import Any

import numpy as np
import orjson

from naiad.core.datatypes import BY_NAME
from naiad.core.errors import Failed, InvalidRequest, MalformedBody
from naiad.core.message import InferRequest
from naiad.core.tensor import Array, Tensor, bytes_tensor, gather_strings, pieces_of, raw_strings, wire_array
from naiad.protocol.binary import check_strings, longest_of, wrong_size
from naiad.protocol.json.body import read_list
from naiad.protocol.json.large_array import LargeArray, flatten
from naiad.protocol.json.numbers import DTYPES, TYPECODES, large_numbers, numbers, wrong_element
from naiad.protocol.limits import Limits

PIECE_ELEMENTS = 16 * 1024
"""Written by one call; no call may hold up the event loop, from whichever thread it is made."""

_NUMPY = orjson.OPT_SERIALIZE_NUMPY


def decode(name: str, datatype: str, shape: list[int], count: int, data: Any, limits: Limits) -> Tensor:
    """Make a tensor of `count` elements, which is what `shape` has, from a flat or nested JSON array, or a LargeArray.

    Raises MalformedBody when the data does not fill the shape or is of another type; InvalidRequest for a datatype that
    JSON cannot carry and for more than the limits allow.
    """
    code = TYPECODES.get(datatype)
    if code is not None and type(data) is list and len(data) == count:  # flat and full: nearly every request
        try:
            return Tensor(name, datatype, np.ndarray(shape, DTYPES[datatype], array(code, data)))
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
    if not shape and type(data) is not LargeArray:
        data = flatten([data])
    if not count or (not shape and len(data) != 1):  # Triton does not look at it either; what is wrong is the shape
        return Tensor(name, datatype, np.zeros(shape, BY_NAME[datatype].numpy))
    if isinstance(data, LargeArray):
        _check_count(len(data), count)
        return Tensor(name, datatype, large_numbers(name, datatype, data).reshape(shape))
    flat = flatten(read_list("data", data))
    _check_count(len(flat), count)
    return Tensor(name, datatype, numbers(name, datatype, flat).reshape(shape))


def refuse_booleans(datatype: str, data: Any) -> None:
    """Raise MalformedBody for true and false among numbers, which `decode` takes for 1 and 0."""
    if datatype in ("BOOL", "BYTES"):
        return
    has_booleans = data.has_booleans if type(data) is LargeArray else bool in map(type, flatten([data]))
    if has_booleans:
        raise wrong_element(datatype)


def _check_count(got: int, expected: int) -> None:
    if got != expected:
        raise MalformedBody("Unable to parse 'data': Shape does not match true shape of 'data' field")


def decode_strings(name: str, shape: list[int], data: Any, request: InferRequest, limits: Limits) -> Tensor:
    """Make a BYTES tensor. Raises MalformedBody when there is anything but strings, InvalidRequest for their number."""
    count = prod(shape)
    if count > limits.string_elements:
        check_strings(name, count, 0, limits)
    values: list[bytes] | Array
    if type(data) is LargeArray:
        values = _large_strings(data)
    else:
        is_flat = len(read_list("data", data)) == count and list not in map(type, data)
        try:
            values = [value.encode() for value in (data if is_flat else flatten(data))]
        except AttributeError as error:
            raise _no_string() from error
    if len(values) != count:
        raise wrong_size(name, BY_NAME["BYTES"], count, len(values), request)
    longest = len(values[0]) if count == 1 else longest_of(values)
    if longest > limits.string_bytes:
        check_strings(name, count, longest, limits)
    return bytes_tensor(name, values, tuple(shape))


def _large_strings(data: LargeArray) -> Array:
    pieces = [piece for piece in data.pieces if isinstance(piece, list)]
    if len(pieces) < len(data.pieces):
        raise _no_string()
    return gather_strings(chain.from_iterable(pieces), len(data))[0]


def _no_string() -> MalformedBody:
    return MalformedBody("Unable to parse JSON bytes array: attempt to access JSON non-string as string")


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
    data = tensor.data
    flags = data.flags
    if data.dtype != DTYPES.get(tensor.datatype) or not flags.c_contiguous or not flags.aligned:
        data = wire_array(tensor)
        if not data.flags.aligned:  # what a client sent behind a JSON header may begin anywhere, and come back so
            data = data.copy()
    flat = data.reshape(-1)
    if flat.size <= PIECE_ELEMENTS:
        raw = orjson.dumps(flat, option=_NUMPY)
        if b"null" not in raw:
            return raw
    else:
        starts = range(0, flat.size, PIECE_ELEMENTS)
        pieces = [orjson.dumps(flat[at : at + PIECE_ELEMENTS], option=_NUMPY) for at in starts]
        if not any(b"null" in piece for piece in pieces):
            return _joined(pieces)
    raise Failed(
        f"output '{tensor.name}' holds NaN or infinity, which JSON cannot represent. Request it as binary data.",
        tensor=tensor.name,
    )


def _joined(pieces: list[bytes]) -> bytes:
    """Return one array of several."""
    return b"[%b]" % b",".join([piece[1:-1] for piece in pieces])


def _encode_strings(tensor: Tensor) -> bytes:
    if tensor.data.size > PIECE_ELEMENTS:
        return _joined([_encode_strings(piece) for piece in pieces_of(tensor, PIECE_ELEMENTS)])
    try:
        return orjson.dumps([value.decode() for value in raw_strings(tensor)])
    except UnicodeDecodeError as error:
        raise Failed(
            f"output '{tensor.name}' holds bytes that are not UTF-8, which JSON cannot carry. "
            "Ask for it as binary data.",
            tensor=tensor.name,
        ) from error
