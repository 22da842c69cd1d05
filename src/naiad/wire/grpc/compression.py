"""Compressed answers, the same on both transports: which encoding, by Triton's levels and what a client takes."""

from __future__ import annotations

import zlib
from typing import NamedTuple

WINDOWS = {"gzip": 31, "deflate": 15}
"""zlib's wbits by encoding; gRPC's deflate is zlib's own container."""


def choose_encoding(level: str, accepted: str) -> str:
    """Return the encoding for a level (low, medium, high), empty for a client that takes none.

    accepted: its grpc-accept-encoding. gRPC ranks gzip below deflate and takes the middle of what is left for medium.
    """
    names = {name.strip() for name in accepted.split(",")}
    ranking = [name for name in WINDOWS if name in names]
    if not ranking:
        return ""
    return ranking[{"low": 0, "medium": len(ranking) // 2, "high": -1}[level]]


class Packed(NamedTuple):
    """A message that has been compressed before it is sent, as far as that makes it shorter."""

    is_compressed: bool
    data: bytes


def pack(message: bytes, encoding: str) -> Packed:
    """Compress a message; an empty encoding leaves it as it is. For long ones, in a thread."""
    made = compress(message, encoding) if encoding else message
    return Packed(made is not message, made)


def compress(message: bytes, encoding: str) -> bytes:
    """Return the message compressed, or as it is when that is not longer; equal length means: as it is."""
    compressor = zlib.compressobj(wbits=WINDOWS[encoding])
    made = compressor.compress(message) + compressor.flush()
    return made if len(made) < len(message) else message
