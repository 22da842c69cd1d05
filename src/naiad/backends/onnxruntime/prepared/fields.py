"""Step through a protobuf message without its schema: where each field lies; nothing is copied."""

from __future__ import annotations

import mmap
from collections.abc import Iterator

Bytes = mmap.mmap | bytes


def fields(data: Bytes, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Number, beginning and end of each field: texts, messages and whole numbers; floats are stepped over.

    Raises ValueError.
    """
    at = start
    while at < stop:
        tag, at = _varint(data, at, stop)
        kind = tag & 7
        if kind == 2:
            length, at = _varint(data, at, stop)
            if at + length > stop:
                raise ValueError("a field is longer than its message")
            yield tag >> 3, at, at + length
            at += length
        elif kind == 0:
            begin = at
            _, at = _varint(data, at, stop)
            yield tag >> 3, begin, at
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"{kind} is no kind of field")


def whole_number(data: Bytes, start: int, stop: int) -> int:
    """The value of a field that is a whole number. Raises ValueError."""
    return _varint(data, start, stop)[0]


def _varint(data: Bytes, at: int, stop: int) -> tuple[int, int]:
    value = shift = 0
    while at < stop and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("a number does not end")
