"""Flask applications, or single view functions, served with their URLs: `serve`, `running`, `application`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from naiad.compat.applications import running, serve
from naiad.core.errors import InvalidConfiguration

__all__ = ["application", "running", "serve"]


def application(function: Callable[..., Any], path: str | None = None, methods: Sequence[str] = ("GET", "POST")) -> Any:
    """Make a Flask application of one view function, to serve that alone.

    path: of its URL, as Flask has it; default: `/` and the function's name. Raises InvalidConfiguration where Flask is
    not installed.
    """
    try:
        from flask import Flask
    except ImportError as error:
        raise InvalidConfiguration(
            "Flask is not installed; install it beside Naiad: pip install naiad[flask]"
        ) from error
    name = getattr(function, "__name__", "view")
    made = Flask(getattr(function, "__module__", None) or __name__)
    made.add_url_rule(path or f"/{name}", endpoint=name, view_func=function, methods=list(methods))
    return made
