"""The application in a Python file: imported, found by its name, and told what kind it is and which URLs it has."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

from naiad.core.web_kinds import kind_of


class BadApplication(Exception):
    """The file, or what it holds, is not what can be served; the message says why."""


def import_file(path: Path) -> Any:
    """Import the file under its own name, its folder first on the path of imports. Raises whatever it raises."""
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = path.stem if path.stem not in sys.modules else f"_served_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadApplication(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


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
