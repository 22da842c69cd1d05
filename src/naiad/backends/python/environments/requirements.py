"""Environments made of a model's requirements.txt, by uv if there is one, else by venv and pip; kept for next time.

They have the server's Python, and see its packages (numpy) behind their own.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from naiad.backends.python.environments.places import kept
from naiad.core.errors import LoadFailed

INSTALL_S = 3600.0
"""Who needs longer than an hour makes the environment beforehand."""

_log = logging.getLogger("naiad.model")


def installed(model: str, requirements: Path) -> Path:
    """Return the folder of an environment with these requirements; blocks, at first for as long as pip takes.

    Raises LoadFailed with pip's last words.
    """
    try:
        text = requirements.read_text(encoding="utf-8")
        what = f"{sys.executable} {sys.version} {sysconfig.get_path('purelib')}\n{text}"
        return kept(what, lambda folder: _make(model, requirements, folder))
    except (OSError, UnicodeDecodeError) as error:
        raise LoadFailed(f"model '{model}': no environment can be made of {requirements.name}: {error}") from error


def _make(model: str, requirements: Path, folder: Path) -> None:
    _log.info("model '%s': installing %s; this is done once", model, requirements.name)
    for command in _commands(folder, requirements):
        _run(model, requirements, command)
    packages = next((folder / "lib").glob("python3*/site-packages"))
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "server-packages.pth").write_text("".join(f"{path}\n" for path in sorted(paths)))


def _commands(folder: Path, requirements: Path) -> list[list[str]]:
    """Return what makes the environment. Our own pip can install into it, which is quicker than giving it one."""
    uv, python, wanted = shutil.which("uv"), str(folder / "bin" / "python"), ["--requirement", str(requirements)]
    if uv is not None:
        return [
            [uv, "venv", "--python", sys.executable, "--allow-existing", str(folder)],
            [uv, "pip", "install", "--python", python, *wanted],
        ]
    install = ["--disable-pip-version-check", "install", "--no-input", "--quiet", *wanted]
    if find_spec("pip") is None:
        return [[sys.executable, "-m", "venv", str(folder)], [python, "-m", "pip", *install]]
    return [
        [sys.executable, "-m", "venv", "--without-pip", str(folder)],
        [sys.executable, "-m", "pip", "--python", python, *install],
    ]


def _run(model: str, requirements: Path, command: list[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603  names that we give, in the model's own files
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=INSTALL_S,
            check=False,
            cwd=requirements.parent,
        )
    except subprocess.TimeoutExpired as error:
        raise LoadFailed(f"model '{model}': installing {requirements.name} took longer than {INSTALL_S:g} s") from error
    if done.returncode:
        _log.error("model '%s': %s cannot be installed:\n%s%s", model, requirements.name, done.stdout, done.stderr)
        words = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise LoadFailed(
            f"model '{model}': {requirements.name} cannot be installed: {' '.join(words[-2:])[-600:]}", model=model
        )
