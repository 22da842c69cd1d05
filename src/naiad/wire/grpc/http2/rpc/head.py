"""What a request's headers say to gRPC; made once for each different header block.

Whatever makes a call impossible before it begins is found here and kept as the answer, so that it is found once too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from naiad.wire.grpc.compression import WINDOWS
from naiad.wire.grpc.http2.framing.heads import Fields
from naiad.wire.grpc.http2.rpc.answers import (
    ACCEPTED_ENCODINGS,
    METHOD_NOT_ALLOWED,
    UNSUPPORTED_MEDIA_TYPE,
    trailers_only,
)

_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_UNITS_S = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_CONTENT_TYPE = "application/grpc"


@dataclass(frozen=True, slots=True)
class RpcHead:
    """One call's headers; shared by all calls that begin with the same bytes."""

    method: str
    """Full path."""
    metadata: Mapping[str, str]
    """All other headers; those that came several times joined by commas."""
    timeout_s: float | None
    wbits: int
    """How compressed messages are; 0: they may not be."""
    content_bytes: int
    """As content-length says; -1 if it is not there."""
    refusal: bytes
    """The answer to a call that cannot be; empty for one that can."""


def interpret(fields: Fields) -> RpcHead:
    """Return the head of a request that is valid HTTP/2."""
    pseudo: dict[bytes, str] = {}
    metadata: dict[str, str] = {}
    for name, value in fields:
        text = value.decode("latin-1")
        if name.startswith(b":"):
            pseudo[name] = text
        else:
            key = name.decode("ascii")
            metadata[key] = f"{metadata[key]},{text}" if key in metadata else text
    timeout = metadata.get("grpc-timeout")
    encoding = metadata.get("grpc-encoding", "identity")
    return RpcHead(
        method=pseudo[b":path"],
        metadata=metadata,
        timeout_s=_timeout_s(timeout) if timeout is not None else None,
        wbits=WINDOWS.get(encoding, 0),
        content_bytes=_content_bytes(metadata),
        refusal=_refusal(pseudo[b":method"], metadata.get("content-type", ""), encoding, timeout),
    )


def _refusal(http_method: str, content_type: str, encoding: str, timeout: str | None) -> bytes:
    rest = content_type[len(_CONTENT_TYPE) :]
    if not content_type.startswith(_CONTENT_TYPE) or (rest and rest[0] not in "+; "):
        return UNSUPPORTED_MEDIA_TYPE
    if http_method != "POST":
        return METHOD_NOT_ALLOWED
    if encoding != "identity" and encoding not in WINDOWS:
        return trailers_only("UNIMPLEMENTED", f"grpc-encoding {encoding} is not supported") + ACCEPTED_ENCODINGS
    if timeout is not None and _timeout_s(timeout) is None:
        return trailers_only("INTERNAL", f"malformed grpc-timeout: {timeout}")
    return b""


def _timeout_s(value: str) -> float | None:
    match = _TIMEOUT.fullmatch(value)
    return int(match[1]) * _UNITS_S[match[2]] if match else None


def _content_bytes(metadata: Mapping[str, str]) -> int:
    # HTTP/2 has checked the digits; several equal ones are one (RFC 9110, section 8.6), others fit no body.
    values = set(metadata.get("content-length", "-1").split(","))
    return int(values.pop()) if len(values) == 1 else 0
