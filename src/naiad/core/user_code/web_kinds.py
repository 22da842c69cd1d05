"""What a value in a Python file is to a server: a WSGI or an ASGI application, told by what its call takes."""

from __future__ import annotations

import inspect
import sys
from typing import Any

WSGI, ASGI, SERVER = "wsgi", "asgi", "server"
"""What a name in a file may stand for; the last is a naiad.Server."""


def kind_of(value: Any) -> str:
    """Return what a value is, by what its call takes; empty for what cannot be served."""
    try:
        return _kind_of(value)
    except Exception:  # noqa: BLE001 - a stand-in, as Flask's request is, raises whatever is asked of it outside of one
        return ""


def _kind_of(value: Any) -> str:
    if _is_server(value):
        return SERVER
    if inspect.isclass(value) or not callable(value):
        return ""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return ""
    names = [one.name for one in parameters if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
    is_async = inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(type(value).__call__)
    if len(names) == 3 and (is_async or names == ["scope", "receive", "send"]):
        return ASGI
    return WSGI if len(names) == 2 and not is_async and _is_wsgi(names) else ""


def _is_wsgi(names: list[str]) -> bool:
    """Whether two parameters are those of WSGI: the second is always called for what it does."""
    return "start" in names[1] or names[0].startswith("env")


def _is_server(value: Any) -> bool:
    server = sys.modules.get("naiad.server.aio")
    if server is None or inspect.isclass(value):
        return False
    return isinstance(getattr(value, "asynchronous", value), server.AsyncServer)
