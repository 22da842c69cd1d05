"""Finding the class `Preprocess` in a file or a folder, and making one of it.

The forms are ClearML-Serving's (its preprocess_service.py): a file is imported by itself, a folder as a package by its
`__init__.py`, whose files can then be imported relative to it or by their names.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

from ..model import BadModel, HookFailed
from ..source import import_from_source, spec_from_source
from . import storage

CLASS = "Preprocess"
HOOKS = ("preprocess", "process", "postprocess")
ARGUMENTS = ("data", "state", "collect_custom_statistics_fn")
"""What a hook is called with, by position."""


def import_class(path: str) -> Any:
    """Import the code at a path and return its class. Raises BadModel, HookFailed."""
    place = Path(path)
    file = place / "__init__.py" if place.is_dir() else place
    if not file.is_file():
        missing = f"the folder {place.name} has no __init__.py" if place.is_dir() else f"there is no file {place.name}"
        raise BadModel(missing)
    storage.stand_in()
    import_from_source(str(file.parent))
    sys.path.append(str(file.parent))
    name = place.name.replace(".", "_") if place.is_dir() else CLASS
    inner = [str(place)] if place.is_dir() else None
    spec = spec_from_source(name, file, inner)
    if spec is None or spec.loader is None:
        raise BadModel(f"{file.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        raise HookFailed(f"importing {place.name}") from error
    found = getattr(module, CLASS, None)
    if not inspect.isclass(found):
        near = next((one for one in vars(module) if one.lower() == CLASS.lower()), "")
        hint = f"; it has '{near}', but the name must be exactly {CLASS}" if near else ""
        raise BadModel(f"{place.name} has no class {CLASS}{hint}")
    return found


def make(found: Any) -> Any:
    """Make the one object of a process. Raises BadModel, HookFailed."""
    try:
        made = found()
    except TypeError as error:
        if _takes(found, 0):
            raise HookFailed(f"{CLASS}()") from error
        raise BadModel(f"{CLASS}.__init__ must take no arguments besides self; it takes {_signature(found)}") from error
    except BaseException as error:
        raise HookFailed(f"{CLASS}()") from error
    for hook in HOOKS:
        _check(made, hook, ARGUMENTS)
    _check(made, "load", ("local_file_name",))
    _check(made, "unload", ())
    return made


def _check(made: Any, hook: str, arguments: tuple[str, ...]) -> None:
    """Refuse at the start what would fail at every request. Raises BadModel."""
    found = getattr(made, hook, None)
    if found is None:
        return
    if not callable(found):
        raise BadModel(f"{CLASS}.{hook} must be a method, not {type(found).__name__}")
    if not _takes(found, len(arguments)):
        wanted = ", ".join(("self", *arguments))
        raise BadModel(f"{CLASS}.{hook} must be {hook}({wanted}), called by position; it takes {_signature(found)}")


def _takes(function: Any, count: int) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of a compiled module: nobody knows
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _signature(function: Any) -> str:
    try:
        return str(inspect.signature(function))
    except (TypeError, ValueError):
        return "something else"
