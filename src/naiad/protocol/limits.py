"""What a single request may weigh; past any of these the answer is one clear error."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one request, all of them inclusive."""

    body_bytes: int = 64 * 1024 * 1024
    """Body as received, decompressed, and any tensor made from JSON. Triton's `--http-max-input-size`."""
    json_depth: int = 100
    """Nesting of the JSON part."""
    tensors: int = 1024
    """Inputs, and outputs, that one request may name."""
    header_bytes: int = 64 * 1024
    """Request line and headers together."""
    chunks: int = 65536
    """Non-empty chunks of a chunked body."""
    stream_requests: int = 65536
    """Requests of one gRPC stream that may wait for their answers."""
