"""How long a body may be, by what its head says of it, and the refusal of one that is longer."""

from __future__ import annotations

from collections.abc import Mapping

from naiad.protocol.limits import Limits, body_too_large, raw_too_large
from naiad.wire.http.http1.parts import Refusal


def most_body_bytes(headers: Mapping[bytes, bytes], limits: Limits) -> int:
    """Return the most bytes that a body may have; what is compressed, or raw throughout, is bounded as JSON is."""
    has_binary_tail = (
        b"inference-header-content-length" in headers
        and _header_length(headers) != b"0"
        and headers.get(b"content-encoding", b"identity") in (b"", b"identity")
    )
    return limits.binary_bytes if has_binary_tail else limits.body_bytes


def too_large(size: int, most_bytes: int, headers: Mapping[bytes, bytes], limits: Limits) -> Refusal:
    """Return the refusal of a body of `size` bytes where it may have `most_bytes`."""
    if most_bytes == limits.body_bytes:
        error = raw_too_large if _header_length(headers) == b"0" else body_too_large
        return Refusal(400, error(size, most_bytes).message)
    return Refusal(
        400,
        f"request size of {size} bytes exceeds the maximum of {most_bytes} bytes for JSON and binary data together. "
        "Use --http-max-binary-size to increase the limit.",
    )


def _header_length(headers: Mapping[bytes, bytes]) -> bytes:
    """What is said of the JSON's length; 0: there is none, all of the body is one input's bytes."""
    return headers.get(b"inference-header-content-length", b"").strip()
