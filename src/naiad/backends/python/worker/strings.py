"""BYTES elements as bytes: each a little-endian uint32 length and the bytes themselves, as on Triton's wire."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_LENGTH = struct.Struct("<I")


def encode_strings(data: Any) -> bytes:
    """Return the bytes of an array of strings, row-major; what is neither bytes nor str is written as `str` has it."""
    pieces = []
    for value in data.ravel().tolist():
        raw = value if type(value) is bytes else _raw(value)
        pieces.append(_LENGTH.pack(len(raw)))
        pieces.append(raw)
    return b"".join(pieces)


def _raw(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    return str(value).encode("utf-8")


def decode_strings(raw: Any, count: int) -> Any:
    """Return an array of `count` bytes objects. Raises ValueError where there are more, or fewer."""
    view = memoryview(raw)
    found = np.empty(count, np.object_)
    at, end, unpack = 0, len(view), _LENGTH.unpack_from
    for index in range(count):
        if at + 4 > end:
            raise ValueError("string data ends too early")
        (length,) = unpack(view, at)
        at += 4 + length
        if at > end:
            raise ValueError("string data ends too early")
        found[index] = bytes(view[at - length : at])
    if at != end:
        raise ValueError(f"there are more than {count} strings")
    return found
