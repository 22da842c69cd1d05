"""gzip and deflate, both ways, bounded while inflating."""

from __future__ import annotations

import zlib

from naiad.core.errors import InvalidRequest, Unsupported

_WINDOWS = {b"gzip": 31, b"deflate": 15}
"""zlib's wbits for writing."""
EITHER_WINDOW = 47
"""For reading: recognises both containers (Triton does the same)."""


def inflate(body: bytes, encoding: bytes, most_bytes: int) -> bytes:
    """Return the decompressed body. Raises Unsupported for an unknown encoding, InvalidRequest past `most_bytes`."""
    if encoding in (b"", b"identity"):
        return body
    if encoding not in _WINDOWS:
        raise Unsupported("Unsupported compression type")
    if not body:
        raise InvalidRequest("nothing to be decompressed")
    decompressor = zlib.decompressobj(EITHER_WINDOW)
    try:
        plain = decompressor.decompress(body, most_bytes + 1)
    except zlib.error as error:
        raise InvalidRequest(f"the request body is not valid {encoding.decode()} data: {error}") from error
    if len(plain) > most_bytes:
        raise InvalidRequest(
            f"Decompressed data size exceeds the maximum allowed value of {most_bytes} bytes. "
            "Use --http-max-input-size to increase the limit."
        )
    if not decompressor.eof:
        raise InvalidRequest(f"the request body's {encoding.decode()} data ends too early")
    return plain


def deflate(body: bytes, encoding: bytes) -> bytes:
    """Return the compressed body; encoding is one that `choose` gave."""
    compressor = zlib.compressobj(wbits=_WINDOWS[encoding])
    return compressor.compress(body) + compressor.flush()


def choose(accept: bytes) -> bytes:
    """Pick from an `Accept-Encoding` header; empty = send as it is. Ties go to the first of identity, deflate, gzip."""
    best, best_weight = b"", 0.0
    for part in accept.split(b","):
        name, _, options = part.partition(b";")
        name = name.strip().lower()
        weight = _weight(options) if options else 1.0
        if name in _WINDOWS and weight > best_weight:
            best, best_weight = name, weight
        elif name == b"identity" and weight >= best_weight and weight > 0.0:
            best, best_weight = b"", weight
    return best


def _weight(options: bytes) -> float:
    for option in options.split(b";"):
        key, _, value = option.strip().partition(b"=")
        if key == b"q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
