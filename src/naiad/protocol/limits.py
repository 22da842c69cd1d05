"""What a single request may weigh; past any of these the answer is one clear error.

Each has an option (`naiad.wire.limiting` says which) and stands in docs/reference/limits.md. Not here: how long a
client may take (`naiad.wire.http.http1.timeouts`) and what one HTTP/2 connection may ask of us (`Http2Limits`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from naiad.core.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one request, all of them inclusive."""

    body_bytes: int = 64 * 1024 * 1024
    """Body as received, decompressed, and any tensor made from JSON. Triton's `--http-max-input-size`."""
    binary_bytes: int = 2**30
    """Body as received, of a request whose JSON part is followed by a binary tail."""
    json_depth: int = 100
    """Nesting of the JSON part."""
    json_values: int = 2**24
    """Commas and opening brackets of the JSON part: each value costs many times the bytes that it is written in."""
    tensors: int = 1024
    """Inputs, and outputs, that one request may name."""
    parameters: int = 1024
    """Parameters of a request."""
    string_elements: int = 2**24
    """Elements of one BYTES tensor; each is an object of its own."""
    string_bytes: int = 64 * 1024 * 1024
    """One BYTES element."""
    id_length: int = 4096
    """Characters of the request's id, which comes back in the answer."""
    name_length: int = 1024
    """Characters of the name of a model, a tensor or a parameter, which comes back in errors."""
    texts: int = 16_384
    """Texts of one request to the OpenAI routes."""
    tokens: int = 2**22
    """Token ids of such a request, padded to its longest row."""
    header_bytes: int = 64 * 1024
    """Request line and headers together."""
    target_bytes: int = 8192
    """Path and query."""
    headers: int = 256
    """Headers, counted."""
    chunks: int = 65536
    """Non-empty chunks of a chunked body."""
    pipelined: int = 128
    """Requests of one HTTP connection under way at the same time; those behind them wait."""
    unsent_bytes: int = 2**28
    """Answers of one HTTP connection that wait for its client when a stream has more to say."""
    stream_requests: int = 65536
    """Requests of one gRPC stream that may wait for their answers."""


def body_too_large(size: int, most_bytes: int) -> InvalidRequest:
    """Return the error for a body, or the JSON part of one, that is too large; the words are Triton's."""
    return InvalidRequest(
        f"request JSON size of {size} bytes exceeds the maximum allowed input size of {most_bytes} bytes. "
        "Use --http-max-input-size to increase the limit."
    )


def raw_too_large(size: int, most_bytes: int) -> InvalidRequest:
    """Return the error for a body that is one input's bytes and nothing else, and too large; the words are Triton's."""
    return InvalidRequest(
        f"raw input of {size} bytes exceeds the maximum allowed value of {most_bytes} bytes. "
        "Use --http-max-input-size to increase the limit."
    )


def too_many(what: str, got: int, most: int) -> InvalidRequest:
    """Return the error for a request with more of something than is allowed; what: `inputs`."""
    return InvalidRequest(f"the request names {got} {what}; at most {most} are allowed")


def too_long(what: str, got: int, most: int) -> InvalidRequest:
    """Return the error for a name or an id that is too long, which is not repeated in it; what: `model name`."""
    return InvalidRequest(f"the {what} is {got} characters long; at most {most} are allowed")


def check_parameters(names: Collection[str], limits: Limits) -> None:
    """Raise InvalidRequest for too many parameters, or a name among them that is too long."""
    if len(names) > limits.parameters:
        raise too_many("parameters", len(names), limits.parameters)
    if (longest := max(map(len, names), default=0)) > limits.name_length:
        raise too_long("name of a parameter", longest, limits.name_length)
