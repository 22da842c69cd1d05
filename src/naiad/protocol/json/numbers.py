"""Numbers out of JSON values: objects, or the pieces of a LargeArray, become an array of a tensor's datatype.

Both ways refuse the same with the same words: first what is of another type, then what is out of range.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from naiad.core.datatypes import BY_NAME
from naiad.core.errors import MalformedBody
from naiad.core.tensor import Array
from naiad.protocol.json.large_array import LargeArray, Piece

TYPECODES = {
    "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q",
    "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q",
    "FP32": "f", "FP64": "d",
}  # fmt: skip
"""Datatypes that JSON can carry as numbers, and their names in Python's `array`."""

DTYPES = {name: BY_NAME[name].numpy for name in TYPECODES}


def numbers(name: str, datatype: str, flat: Sequence[Any]) -> Array:
    """Return the (n,) values. Raises MalformedBody for one that the datatype cannot hold."""
    if datatype == "BOOL":
        _check_types(datatype, flat)
        return np.array(flat, dtype=np.bool_)
    try:  # `array` checks type and range as it goes, which np.array(…, dtype) does not
        return np.frombuffer(array(TYPECODES[datatype], flat), dtype=DTYPES[datatype])
    except (TypeError, OverflowError) as error:
        _check_types(datatype, flat)
        low, high = _range(datatype)
        raise _out_of_range(name, datatype, next(value for value in flat if not low <= value <= high)) from error


def large_numbers(name: str, datatype: str, data: LargeArray) -> Array:
    """As `numbers`, of a LargeArray."""
    for piece in data.pieces:
        _check_piece(datatype, piece)
    made = np.empty(len(data), BY_NAME[datatype].numpy)
    at = 0
    for piece in data.pieces:
        end = at + len(piece)
        made[at:end] = _converted(name, datatype, piece)
        at = end
    return made


def wrong_element(datatype: str) -> MalformedBody:
    """Return the error for a value of another type; the words are Triton's."""
    if datatype == "BOOL":
        wanted = "non-boolean as boolean"
    elif datatype in ("FP32", "FP64"):
        wanted = "non-number as double"
    else:
        kind = "unsigned-integer" if datatype[0] == "U" else "signed-integer"
        wanted = f"non-{kind} as {kind}"
    return MalformedBody(f"Unable to parse 'data': attempt to access JSON {wanted}")


def _out_of_range(name: str, datatype: str, value: int) -> MalformedBody:
    if datatype in ("INT64", "UINT64") or (datatype[0] == "U" and value < 0):
        return wrong_element(datatype)
    return MalformedBody(f"Unable to parse 'data': input '{name}' holds a number that {datatype} cannot", tensor=name)


def _range(datatype: str) -> tuple[int, int]:
    bits = 8 * BY_NAME[datatype].size_bytes
    return (0, 2**bits - 1) if datatype[0] == "U" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _types(datatype: str) -> tuple[type, ...]:
    """Types that are numbers of a datatype; truth values are refused when all inputs have been read."""
    if datatype == "BOOL":
        return (bool,)
    return (int, bool, float) if datatype in ("FP32", "FP64") else (int, bool)


def _check_types(datatype: str, flat: Sequence[Any]) -> None:
    allowed = _types(datatype)
    if not all(type(value) in allowed for value in flat):
        raise wrong_element(datatype)


_KINDS: dict[str, type] = {"b": bool, "i": int, "f": float}


def _check_piece(datatype: str, piece: Piece) -> None:
    if isinstance(piece, np.ndarray):
        if _KINDS[piece.dtype.kind] not in _types(datatype):
            raise wrong_element(datatype)
    else:
        _check_types(datatype, piece)


def _converted(name: str, datatype: str, piece: Piece) -> Array:
    """Return a piece, whose types have been checked, in values that fit the datatype."""
    if not isinstance(piece, np.ndarray):
        return numbers(name, datatype, piece)
    if datatype in ("FP32", "FP64"):
        with np.errstate(over="ignore"):  # too large is infinite, as it is for `array`
            return piece.astype(np.float64).astype(DTYPES[datatype])
    if piece.dtype.kind == "i":
        low, high = _range(datatype)
        if int(piece.min()) < low or int(piece.max()) > high:
            wrong = piece[(piece < low) | (piece > high)] if high < 2**63 else piece[piece < low]
            raise _out_of_range(name, datatype, int(wrong[0]))
    return piece
