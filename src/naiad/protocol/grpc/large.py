"""Large requests without copies: the raw contents are taken out of the bytes before protobuf sees them.

protobuf would copy them twice, into its arena and into a `bytes` for each. Only the outermost fields are looked at,
all of which are length-delimited in a ModelInferRequest; anything else is left for protobuf to judge.
"""

from __future__ import annotations

_RAW_CONTENTS = 7 << 3 | 2
_LENGTH_DELIMITED = 2
_LONGEST_VARINT = 5
"""Bytes that lengths below 2**35 take."""


_MOST_FIELDS = 8192
"""More than a request within the limits has, unless they are raised; each takes Python a third of a microsecond."""


def takes_long(message: bytes, most_bytes: int) -> bool:
    """Whether reading a message takes long: much of it is not raw contents, or these hold strings."""
    raw_bytes = sum(end - start for tag, start, end in fields_of(message) if tag == _RAW_CONTENTS)
    return len(message) - raw_bytes > most_bytes or b"BYTES" in split(message)[0]


def split(message: bytes) -> tuple[bytes, list[memoryview]]:
    """Return the message without raw_input_contents, and these as views of it; (message, []) if it is malformed."""
    view = memoryview(message)
    kept: list[memoryview] = []
    contents: list[memoryview] = []
    begin = 0
    for tag, start, end in fields_of(message):
        if tag == _RAW_CONTENTS:
            contents.append(view[start:end])
        else:
            kept.append(view[begin:end])
        begin = end
    return (b"".join(kept), contents) if begin == len(message) else (message, [])


def fields_of(message: bytes) -> list[tuple[int, int, int]]:
    """Return (tag, start, end) of the outermost fields' contents.

    None if they are malformed or without a length, or if there are very many.
    """
    found: list[tuple[int, int, int]] = []
    at = 0
    while at < len(message):
        if len(found) == _MOST_FIELDS:
            return []
        tag = message[at]
        length, at = _varint(message, at + 1)
        if tag & 0x80 or tag & 7 != _LENGTH_DELIMITED or length < 0 or at + length > len(message):
            return []
        found.append((tag, at, at + length))
        at += length
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return the number at a place and the place behind it; -1 where there is none."""
    value = 0
    for index, byte in enumerate(message[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, at + index + 1
    return -1, at
