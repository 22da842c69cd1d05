"""Backends by the name that config.pbtxt gives them; a backend's module is imported when a model first asks for it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from naiad.core.contracts import Backend
from naiad.core.errors import LoadFailed
from naiad.core.model.host import ModelHost
from naiad.core.user_code.application import ApplicationEntry

if TYPE_CHECKING:
    from naiad.backends.application.running import Application

BACKENDS = {
    "dyna_sequence": "naiad.backends.sequences.dyna_sequence:DynaSequenceBackend",
    "identity": "naiad.backends.identity:IdentityBackend",
    "implicit_state": "naiad.backends.sequences.implicit_state:ImplicitStateBackend",
    "iterative_sequence": "naiad.backends.sequences.iterative_sequence:IterativeSequenceBackend",
    "onnxruntime": "naiad.backends.onnxruntime.backend:OnnxRuntimeBackend",
    "python": "naiad.backends.python.backend:PythonBackend",
    "repeat": "naiad.backends.repeat:RepeatBackend",
    "sequence": "naiad.backends.sequences.sequence:SequenceBackend",
    "square": "naiad.backends.square:SquareBackend",
}
"""Name → module:class. A new backend is a new row and its file."""

ENCODERS = "onnxruntime"
"""The backend of encoders: it runs the graphs that our builders write, and those that exporters do."""


PYTHON = "python"

CODE = "model.py"
"""What a backend of the operator's own consists of, in a folder of its name."""


_RUN_BY_CODE = {"pytorch": "serve-pytorch-models.md", "tensorflow": "serve-tensorflow-models.md"}
"""Triton's backends that a few lines of Python stand in for, and the page of `docs/how-to` that has them."""


def find_backend(name: str, directory: str = "") -> Backend:
    """Give the one backend of that name; instances of one model find each other through it. Raises LoadFailed.

    directory: where backends are that are Python code, in folders of their names; empty: there are none.
    """
    if name in BACKENDS:
        return _made(name)
    what = f"there is no backend '{name}'; this server has: {', '.join(sorted(BACKENDS))}"
    if not directory:
        hint = "name the folder of one that is Python code with --backend-directory"
        if name in _RUN_BY_CODE:
            hint = f"export it to ONNX, or run it by the Python code of docs/how-to/{_RUN_BY_CODE[name]}"
        raise LoadFailed(f"{what}; {hint}", backend=name)
    home = Path(directory).resolve() / name
    if Path(name).name != name or not (home / CODE).is_file():
        raise LoadFailed(f"{what}; nor has {directory} a folder of that name with a {CODE}", backend=name)
    return _made(PYTHON, home)


@cache
def _made(name: str, *arguments: Path) -> Backend:
    module, _, class_name = BACKENDS[name].partition(":")
    backend: Backend = getattr(import_module(module), class_name)(*arguments)
    return backend


def open_application(entry: ApplicationEntry, host: ModelHost | None, hang_s: float, end_s: float) -> Application:
    """Start the workers of a web application. Raises LoadFailed; blocks.

    host: the server. hang_s: what takes longer ends a worker; 0 = no limit. end_s: what the application's end may take.
    """
    module = import_module("naiad.backends.application.running")
    made: Application = module.Application(entry, host, hang_s, end_s)
    made.start()
    return made
