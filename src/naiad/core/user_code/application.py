"""A web application beside the models: what is to be served, and the work that its doors and handlers hand over.

An application is a WSGI or ASGI callable in a Python file. It runs in worker processes (`backends/application/`); to
the server it is a model whose requests carry a `WebRequest` instead of tensors, and each of its functions that is
marked with `naiad.batched` is one whose requests carry a `Call`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from naiad.core.settings.options import Settings, option

RESERVED = "/v2"
"""The server's own URLs are this and everything below it; all others are the application's."""

Headers = Sequence[tuple[str, str]]
"""Names and values, as latin-1, in the order in which they are sent."""

Address = tuple[str, int]
"""Host and port."""

_application = partial(option, group="Applications")


@dataclass(frozen=True, slots=True)
class ApplicationSettings(Settings):
    """How an application runs."""

    workers: int = _application("app_workers", 1, "Worker processes that run the application.", least=1)
    threads: int = _application(
        "app_threads",
        64,
        "Requests that one worker of a WSGI application has at the same time, and threads for the plain functions of "
        "an ASGI application.",
        least=1,
    )
    trusts_proxy: bool = _application(
        "app_trust_proxy",
        False,
        "Take scheme, host and client from X-Forwarded-Proto, -Host and -For, the last value of each; only where "
        "every request comes through a proxy that sets them.",
    )


@dataclass(frozen=True, slots=True)
class ApplicationEntry:
    """One application to serve, as models are listed by their entries."""

    path: Path
    """The file."""
    name: str
    """Of the application in the file; the model is called so, too."""
    settings: ApplicationSettings = field(default_factory=ApplicationSettings)
    variables: Mapping[str, str] = field(default_factory=dict)
    """The environment of the workers."""

    def __str__(self) -> str:
        return f"{self.path}:{self.name}"


def workers_environment() -> dict[str, str]:
    """Return this process's environment as the workers have it: without the server's own options."""
    return {key: value for key, value in os.environ.items() if not key.startswith("NAIAD_")}


@dataclass(slots=True)
class WebRequest:
    """One HTTP request on its way to the application."""

    method: str
    target: str
    """As sent: path and query, not decoded."""
    headers: Headers
    """Names in lower case; what a repeated one said is joined by commas."""
    body: bytes
    scheme: str = "http"
    client: Address | None = None
    server: Address | None = None
    is_old: bool = False
    """HTTP/1.0."""
    on_part: Callable[[Part], None] = lambda part: None  # noqa: ARG005
    """Takes each part of the response, on the event loop's thread."""
    taken: Callable[[int], None] = lambda size: None  # noqa: ARG005
    """By who runs it: to be told how many bytes of the response have left, so that more may come."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a response; the first has status and headers."""

    body: bytes
    is_last: bool
    status: int = 0
    """0: not the first."""
    headers: Headers = ()


@dataclass(slots=True)
class Call:
    """One call of a function that is marked with `naiad.batched`; arguments and outcome are the workers' own bytes."""

    rows: int
    group: str
    """Calls of different groups are never joined."""
    arguments: bytes
    outcome: bytes = b""


Work = WebRequest | Call
