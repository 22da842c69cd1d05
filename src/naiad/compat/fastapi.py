"""FastAPI and Starlette applications, or single endpoints: `serve`, `running`, `application`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from naiad.compat.applications import running, serve
from naiad.core.errors import InvalidConfiguration

__all__ = ["application", "running", "serve"]


def application(function: Callable[..., Any], path: str | None = None, methods: Sequence[str] = ("POST",)) -> Any:
    """Make a FastAPI application of one endpoint, to serve that alone.

    path: of its URL, as FastAPI has it; default: `/` and the function's name. Raises InvalidConfiguration where FastAPI
    is not installed.
    """
    try:
        from fastapi import FastAPI
    except ImportError as error:
        raise InvalidConfiguration(
            "FastAPI is not installed; install it beside Naiad: pip install naiad[fastapi]"
        ) from error
    made = FastAPI()
    made.add_api_route(path or f"/{getattr(function, '__name__', 'endpoint')}", function, methods=list(methods))
    return made
