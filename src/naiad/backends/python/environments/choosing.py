"""Which interpreter a model's worker is, from its configuration and its files."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from naiad.backends.python.environments.archive import unpacked
from naiad.backends.python.environments.requirements import installed
from naiad.backends.python.launching import Launch
from naiad.backends.python.variables import worker_variables
from naiad.core.errors import LoadFailed

PARAMETER = "EXECUTION_ENV_PATH"
"""Triton's: a folder, or an archive made by conda-pack."""

MODEL_DIRECTORY = "$$TRITON_MODEL_DIRECTORY"
"""Stands for the model's folder in that."""

REQUIREMENTS = "requirements.txt"

_FOREIGN = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV")
"""Variables of the server's Python that another one must not get."""


def choose_launch(
    model: str,
    version_dir: Path,
    parameters: Mapping[str, str],
    settings: Mapping[str, str],
    backend_dir: Path | None = None,
) -> Launch:
    """Say how to start a model's workers, making their environment if need be; blocks. Raises LoadFailed.

    parameters: the model's. settings: the backend's. backend_dir: of its code, where that is not the model's.
    """
    variables = worker_variables(os.environ, settings)
    given = parameters.get(PARAMETER, "")
    if given:
        path = Path(given.replace(MODEL_DIRECTORY, str(version_dir.parent)))
        return _launch_own(_brought_along(model, path, PARAMETER), variables)
    for place in (version_dir, version_dir.parent, backend_dir):
        if place is not None and (place / REQUIREMENTS).is_file():
            return _launch(installed(model, place / REQUIREMENTS), variables)
    return Launch(sys.executable, variables)


def launch_in(model: str, environment: Path | None, settings: Mapping[str, str]) -> Launch:
    """Say how to start workers in an environment that is named; blocks. Raises LoadFailed.

    environment: a requirements.txt, a folder of an environment, or an archive of one; None: the server's.
    """
    variables = worker_variables(os.environ, settings)
    if environment is None:
        return Launch(sys.executable, variables)
    if environment.suffix == ".txt":
        return _launch(installed(model, environment), variables)
    return _launch_own(_brought_along(model, environment, "environment"), variables)


def _launch_own(folder: Path, variables: dict[str, str]) -> Launch:
    for name in _FOREIGN:
        variables.pop(name, None)
    return _launch(folder, variables)


def _brought_along(model: str, path: Path, key: str) -> Path:
    """Return the folder of an environment that lies at a path, unpacked if it is an archive."""
    folder = path if path.is_dir() else unpacked(model, path)
    if not (folder / "bin" / "python").is_file():
        raise LoadFailed(
            f"model '{model}': {key}: there is no bin/python in {path}; give the folder of an environment "
            "(made by venv or conda), or an archive of one (made by conda-pack)",
            model=model,
        )
    return folder


def _launch(folder: Path, variables: dict[str, str]) -> Launch:
    binaries = str(folder / "bin")
    path = variables.get("PATH", "")
    variables |= {"PATH": f"{binaries}{os.pathsep}{path}" if path else binaries, "VIRTUAL_ENV": str(folder)}
    return Launch(str(folder / "bin" / "python"), variables)
