"""Whether inflating takes long, which nobody knows before it is done: both doors try a little of it."""

from __future__ import annotations

import zlib


def inflates_beyond(data: bytes, wbits: int, most_bytes: int) -> bool:
    """Whether compressed data becomes larger than `most_bytes`; what is none becomes nothing. wbits: zlib's."""
    try:
        return len(zlib.decompressobj(wbits).decompress(data, most_bytes + 1)) > most_bytes
    except zlib.error:
        return False
