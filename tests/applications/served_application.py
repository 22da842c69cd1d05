"""Serving an application of `served/`, or of any file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from naiad.core.user_code.application import ApplicationEntry, ApplicationSettings
from naiad.testing import RunningServer, running_server

SERVED = Path(__file__).parent / "served"

Serve = Callable[..., AbstractContextManager[RunningServer]]


@contextmanager
def serve_application(
    path: Path, name: str = "app", variables: dict[str, str] | None = None, **options: Any
) -> Iterator[RunningServer]:
    """Serve one; options: of the application by their fields, or of the server."""
    own = {key: options.pop(key) for key in ("workers", "threads", "trusts_proxy") if key in options}
    entry = ApplicationEntry(path, name, ApplicationSettings(**own), {**os.environ, **(variables or {})})
    with running_server(entry, allow_grpc=False, **options) as server:
        yield server
