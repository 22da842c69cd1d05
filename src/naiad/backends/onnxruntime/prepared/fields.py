"""Step through a protobuf message without its schema: the fields that have a length, and nothing is copied."""

from __future__ import annotations

import mmap
from collections.abc import Iterator

Bytes = mmap.mmap | bytes


def fields(data: Bytes, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Number, beginning and end of each field that has a length; the others are stepped over. Raises ValueError."""
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
            _, at = _varint(data, at, stop)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"{kind} is no kind of field")


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
