"""What a case is: one or more things sent to a server, all over HTTP or all over gRPC.

The tables in `cases` are dicts from a name to a step or a list of steps; the functions below make steps short to write.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Http:
    """One request on a connection of its own."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    settles: bool = False
    """Asked again while models are being loaded or unloaded, which Triton does behind the answer."""
    counts: int = 0
    """For statistics: asked again until so many requests are in them, which Triton counts behind the answer."""


@dataclass(frozen=True)
class Raw:
    """Bytes on a connection of their own, each sent when those before are answered; then the server must close."""

    sent: tuple[bytes, ...]
    answers: int = 1
    """To the last of them."""
    method: str = "GET"
    """Of all requests, where it matters for reading an answer (HEAD has no body)."""


@dataclass(frozen=True)
class Rpc:
    """One unary call; fields: of the request message, or its bytes."""

    method: str
    fields: Mapping[str, Any] | bytes = field(default_factory=dict)
    metadata: tuple[tuple[str, str], ...] = ()
    compression: str = ""
    timeout_s: float = 20.0


@dataclass(frozen=True)
class Stream:
    """One ModelStreamInfer call; requests are sent one after the other, each when the one before it is answered."""

    requests: tuple[Mapping[str, Any], ...]
    metadata: tuple[tuple[str, str], ...] = ()


Step = Http | Raw | Rpc | Stream
Table = Mapping[str, Step | list[Step]]


def get(path: str, **headers: str) -> Http:
    return Http("GET", path, headers=_names(headers))


def statistics(path: str, counts: int) -> Http:
    return Http("GET", path, counts=counts)


def post(path: str, body: Any = b"", **headers: str) -> Http:
    """body: bytes, text, or what is to be sent as JSON; headers: with _ for -."""
    return Http("POST", path, _bytes(body), _names(headers))


def infer(body: Any, model: str = "simple", **headers: str) -> Http:
    return post(f"/v2/models/{model}/infer", body, **headers)


def binary(document: Any, *tail: bytes, model: str = "simple", **headers: str) -> Http:
    """A request whose JSON is followed by bytes."""
    head = _bytes(document)
    return infer(head + b"".join(tail), model, inference_header_content_length=str(len(head)), **headers)


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()


def _names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-").title(): value for name, value in headers.items()}
