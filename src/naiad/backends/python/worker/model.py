"""A model's own code: imported as Triton does it, and its hooks called."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

from .api.config import ModelConfig
from .api.functions import set_model_dir
from .source import import_from_source, spec_from_source

CLASS = "TritonPythonModel"
HOOKS = ("auto_complete_config", "initialize", "execute", "finalize", "is_ready")


class BadModel(Exception):
    """The code is not what a model must be; the message says what is missing."""


class HookFailed(Exception):
    """A hook has raised what this is raised from; the message is its name."""


def import_model(folder: str, package: str, filename: str, version_dir: str) -> Any:
    """Import `<package>.<file>` and return its class; siblings can be imported by their names, or relative to it.

    folder: the package's, which is a version of a model, or a backend. version_dir: of the model's version. Raises
    BadModel, and whatever the code raises.
    """
    path = Path(folder) / package / filename
    if not path.is_file():
        raise BadModel(f"there is no file {package}/{filename}")
    import_from_source(folder)
    sys.path += [str(path.parent), folder]
    set_model_dir(version_dir)
    name = f"{package}.{path.stem}"
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(name) if path.suffix == ".py" and "." not in path.stem else None
    except ModuleNotFoundError as error:
        if error.name not in (package, name):
            raise
        module = None
    if module is None or Path(getattr(module, "__file__", None) or "").resolve() != path.resolve():
        module = _import_file(name, path)
    found = getattr(module, CLASS, None)
    if not inspect.isclass(found):
        raise BadModel(f"{package}/{filename} has no class {CLASS}")
    return found


def complete(model_class: Any, config: str) -> dict[str, Any]:
    """Call `auto_complete_config`, if there is one, and return the configuration. Raises BadModel."""
    given = ModelConfig(config)
    hook = getattr(model_class, "auto_complete_config", None)
    if hook is None:
        return given.as_dict()
    try:
        returned = hook(given)
    except BaseException as error:
        raise HookFailed("auto_complete_config") from error
    if not isinstance(returned, ModelConfig):
        raise BadModel(
            f"auto_complete_config must return the configuration that it is given, not {type(returned).__name__}"
        )
    return returned.as_dict()


class Model:
    """One instance of the class."""

    def __init__(self, model_class: Any, args: dict[str, str]) -> None:
        """Makes and initialises it. Raises BadModel, and whatever the code raises."""
        if not callable(getattr(model_class, "execute", None)):
            raise BadModel(f"{CLASS} has no method execute")
        self.instance = model_class()
        self.execute = self.instance.execute
        self.is_async = inspect.iscoroutinefunction(self.execute)
        if callable(getattr(self.instance, "initialize", None)):
            try:
                finished(self.instance.initialize(args))
            except BaseException as error:
                raise HookFailed("initialize") from error

    @property
    def has_is_ready(self) -> bool:
        """Whether it says itself whether it is ready."""
        return callable(getattr(self.instance, "is_ready", None))

    def is_ready(self) -> bool:
        """Ask it. Raises BadModel for an answer that is neither True nor False."""
        said = finished(self.instance.is_ready())
        if not isinstance(said, bool):
            raise BadModel(f"is_ready must return True or False, not {type(said).__name__}")
        return said

    def finalize(self) -> None:
        """Tell it that it is over."""
        if callable(getattr(self.instance, "finalize", None)):
            try:
                finished(self.instance.finalize())
            except BaseException as error:
                raise HookFailed("finalize") from error


def finished(returned: Any) -> Any:
    """Return what a hook returned; if it is a coroutine, what that returns."""
    if not inspect.iscoroutine(returned):
        return returned
    import asyncio  # takes as long as everything else here but numpy

    return asyncio.run(returned)


def _import_file(name: str, path: Path) -> Any:
    """Import a file whose name no import statement could say, or that another module hides."""
    spec = spec_from_source(name, path)
    if spec is None or spec.loader is None:
        raise BadModel(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
