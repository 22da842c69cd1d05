"""The application in a Python file: found by its name, and told what kind it is and which URLs it has."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from naiad.core.user_code.web_kinds import kind_of


class BadApplication(Exception):
    """The file, or what it holds, is not what can be served; the message says why."""


def find(module: Any, path: Path, name: str) -> tuple[Any, str]:
    """Return the object of that name, made by calling it if it is a function without arguments, and its kind.

    Raises BadApplication.
    """
    found = vars(module).get(name)
    if found is None:
        others = [key for key, value in vars(module).items() if not key.startswith("_") and kind_of(value)]
        hint = f"; it has {', '.join(others)}" if others else ", and nothing that could be served under any other name"
        raise BadApplication(f"{path} has no '{name}'{hint}")
    if not kind_of(found) and inspect.isfunction(found) and not _required(found):
        found = found()
    kind = kind_of(found)
    if not kind:
        raise BadApplication(
            f"{path}: '{name}' is of type {type(found).__name__}; it must be a WSGI or an ASGI application, such as "
            "Flask's or FastAPI's, a naiad.Server, or a function without arguments giving one"
        )
    return found, kind


def _required(function: Any) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return any(one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in parameters)


def urls_of(application: Any) -> list[str]:
    """Return the URL patterns that an application says it has: Flask's and Starlette's do; others say nothing."""
    rules = getattr(getattr(application, "url_map", None), "iter_rules", None)
    if callable(rules):
        return sorted({str(rule.rule) for rule in rules()})
    return sorted(set(_routes(application, "")))


def _routes(application: Any, prefix: str) -> list[str]:
    found = []
    for one in getattr(application, "routes", None) or ():
        path = prefix + str(getattr(one, "path", "") or "")
        below = getattr(one, "app", None)
        nested = _routes(one, path) if getattr(one, "routes", None) else []
        found += nested or ([path] if below is not None or path else [])
    return found


def websockets_of(application: Any) -> list[str]:
    """Return the paths of Starlette's WebSocket routes."""
    return [
        str(getattr(one, "path", ""))
        for one in getattr(application, "routes", None) or ()
        if "WebSocket" in type(one).__name__
    ]
