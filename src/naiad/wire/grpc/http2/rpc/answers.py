"""What we answer with: header blocks, made once and the same for every connection.

They use HPACK's static table and literals without indexing only (RFC 7541, section 6.2.2), so they depend on no state.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

STATUS = {
    name: number
    for number, name in enumerate(
        (
            "OK",
            "CANCELLED",
            "UNKNOWN",
            "INVALID_ARGUMENT",
            "DEADLINE_EXCEEDED",
            "NOT_FOUND",
            "ALREADY_EXISTS",
            "PERMISSION_DENIED",
            "RESOURCE_EXHAUSTED",
            "FAILED_PRECONDITION",
            "ABORTED",
            "OUT_OF_RANGE",
            "UNIMPLEMENTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
            "UNAUTHENTICATED",
        )
    )
}
"""gRPC status names and numbers."""

_MOST_MESSAGE_BYTES = 4096
"""Length of an encoded grpc-message: clients take 8 KiB of trailers by default."""
_PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
"""What grpc-message holds as it is; the rest is percent-encoded (gRPC over HTTP/2, "Status-Message")."""


def _text(value: bytes) -> bytes:
    """HPACK string literal, without Huffman coding (RFC 7541, section 5.2)."""
    length = len(value)
    if length < 127:
        return bytes((length,)) + value
    head, length = b"\x7f", length - 127
    while length >= 128:
        head += bytes((length & 127 | 128,))
        length >>= 7
    return head + bytes((length,)) + value


def field(name: bytes, value: bytes) -> bytes:
    """Return a literal field without indexing, its name spelt out."""
    return b"\0" + _text(name) + _text(value)


_STATUS_200 = b"\x88"
"""Static table, entry 8."""
_CONTENT_TYPE = b"\x0f\x10" + _text(b"application/grpc")
"""Name: static table, entry 31."""

RESPONSE = _STATUS_200 + _CONTENT_TYPE
"""Before the first message."""
RESPONSES = {"": RESPONSE} | {name: RESPONSE + field(b"grpc-encoding", name.encode()) for name in ("gzip", "deflate")}
"""The same by the encoding of the messages."""
OK_TRAILERS = field(b"grpc-status", b"0")
"""Behind the last message of a call that went well."""

UNSUPPORTED_MEDIA_TYPE = b"\x08" + _text(b"415")
"""Not gRPC at all. Name: static table, entry 8."""
METHOD_NOT_ALLOWED = b"\x08" + _text(b"405") + b"\x0f\x07" + _text(b"POST")
"""With `allow`, entry 22."""
ACCEPTED_ENCODINGS = field(b"grpc-accept-encoding", b"identity,deflate,gzip")


def trailers(status: str, message: str) -> bytes:
    """Return the block that ends a call."""
    return OK_TRAILERS if status == "OK" and not message else _trailers(status, message)


def trailers_only(status: str, message: str) -> bytes:
    """Return the block that is the whole answer."""
    return RESPONSE + trailers(status, message)


def metadata_block(metadata: Mapping[str, bytes]) -> bytes:
    """Return trailing metadata as a block; values of names in `-bin` go in base64, without padding."""
    return b"".join(
        field(name.encode(), b64encode(value).rstrip(b"=") if name.endswith("-bin") else value)
        for name, value in metadata.items()
    )


@lru_cache(maxsize=256)
def _trailers(status: str, message: str) -> bytes:
    block = field(b"grpc-status", b"%d" % STATUS[status])
    return block + field(b"grpc-message", _encode(message)) if message else block


def _encode(message: str) -> bytes:
    # Spaces at the ends are no part of a header's value (RFC 9113, 8.2.1); a sentence that has them keeps them so.
    encoded = re.sub("^ +| +$", lambda found: "%20" * len(found[0]), quote(message, safe=_PRINTABLE, errors="replace"))
    if len(encoded) > _MOST_MESSAGE_BYTES:
        encoded = encoded[:_MOST_MESSAGE_BYTES]
        cut = encoded.rfind("%", -2)
        encoded = encoded if cut < 0 else encoded[:cut]
    return encoded.encode()
