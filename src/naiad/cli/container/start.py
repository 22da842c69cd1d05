"""What the image runs: `naiad`, with old command lines and the variables of hieupth/tritonserver understood.

    naiad-start serve org/name          as `naiad serve org/name`
    naiad-start tritonserver --flags    as `naiad triton --flags`
    naiad-start                         ./naiad.yaml if it is there; else the repository in MODELS_DIR, as Triton's

ENABLE_HF_MODELS adds the models of /hfmodels.json, ENABLE_PIP_INSTALL installs packages before the start
(`packages.py`). What a variable asks for happens or is refused; nothing is left out without a word.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from naiad.cli.container.packages import install
from naiad.core.errors import InvalidConfiguration, NaiadError
from naiad.core.machine.cache_folders import default_cache, have_temporary_files

HF_MODELS = Path("/hfmodels.json")
MANIFEST = Path("naiad.yaml")
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("", "false", "0", "no", "off")
_TAKES_MODELS = ("serve", "triton", "pull")


@dataclass(frozen=True, slots=True)
class Start:
    """What is to be done, in this order."""

    requirements: Path | None
    """Packages to install first."""
    hook: Path | None
    """A program of the user's to run first."""
    words: tuple[str, ...]
    """Of `naiad`."""
    notes: tuple[str, ...] = ()
    """What the user should be told."""


def plan(
    words: Sequence[str], environment: Mapping[str, str], hf_models: Path = HF_MODELS, manifest: Path = MANIFEST
) -> Start:
    """Say what to do. Looks which files are there, and opens none.

    Raises InvalidConfiguration for a variable that cannot be followed.
    """
    notes = []
    wants_pip, wants_models = _is_on(environment, "ENABLE_PIP_INSTALL"), _is_on(environment, "ENABLE_HF_MODELS")
    if (wants_pip or wants_models) and "ENABLE_HOOK" in environment and not _is_on(environment, "ENABLE_HOOK"):
        notes.append(
            "ENABLE_HOOK is off, so that ENABLE_PIP_INSTALL and ENABLE_HF_MODELS have no effect; set ENABLE_HOOK=true"
        )
        wants_pip = wants_models = False
    requirements = Path(environment.get("PIP_REQUIREMENTS_FILE") or "/requirements.txt") if wants_pip else None
    if requirements is not None:
        _must_exist(requirements, "ENABLE_PIP_INSTALL")
    hook = Path(environment.get("HOOKS_DIR") or "/hooks") / "hfmodels.py" if wants_models else None
    if hook is not None and not hook.is_file():
        hook = None
        _must_exist(hf_models, "ENABLE_HF_MODELS")
    models = hf_models if wants_models and hook is None else None
    return Start(requirements, hook, _command(list(words), environment, models, manifest), tuple(notes))


def _is_on(environment: Mapping[str, str], variable: str) -> bool:
    value = environment.get(variable, "").strip().lower()
    if value not in _TRUE + _FALSE:
        raise InvalidConfiguration(f"{variable}={value}: write true or false", variable=variable)
    return value in _TRUE


def _must_exist(path: Path, variable: str) -> None:
    if not path.is_file():
        raise InvalidConfiguration(
            f"{variable} is on, but there is no {path}; mount it (-v ./{path.name}:{path}:ro), or turn {variable} off",
            variable=variable,
        )


def _command(words: list[str], environment: Mapping[str, str], models: Path | None, manifest: Path) -> tuple[str, ...]:
    """The words of `naiad`. models: a manifest to serve as well."""
    if words and Path(words[0]).name == "tritonserver":
        words[0] = "triton"
    elif words and words[0] == "naiad":
        del words[0]
        if not words:
            return ()
    listed = [f"--manifest={models}"] if models is not None else []
    if words:
        return (*words, *(listed if words[0] in _TAKES_MODELS else ()))
    folder = Path(environment.get("MODELS_DIR") or "/models")
    if not listed and "MODELS_DIR" not in environment and manifest.is_file():
        return ("serve",)
    if folder.is_dir() and (any(folder.iterdir()) or "MODELS_DIR" in environment):
        listed.insert(0, f"--model-repository={folder}")
    if not listed:
        raise InvalidConfiguration(
            f"nothing to serve: name a model (serve org/name), mount a repository at {folder}, or mount a manifest at "
            f"{manifest.absolute()}"
        )
    return ("triton", *listed)


def _run_hook(hook: Path) -> None:
    click.echo(f"naiad: running {hook}", err=True)
    status = subprocess.run([sys.executable, str(hook)], check=False).returncode  # noqa: S603 - the user's own
    if status != 0:
        raise InvalidConfiguration(
            f"{hook} ended with status {status}; mend it, or remove it, so that {HF_MODELS} is read without it"
        )


def provide_temporary_folder() -> None:
    """Use a folder of the cache for temporary files, now and in processes to come, where there is no other."""

    def find() -> Path:
        folder = default_cache() / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    have_temporary_files(find)


def main() -> None:
    """Prepare, then be `naiad`."""
    try:
        provide_temporary_folder()
        start = plan(sys.argv[1:], os.environ)
        for note in start.notes:
            click.echo(f"naiad: {note}", err=True)
        if start.requirements is not None:
            install(start.requirements)
        if start.hook is not None:
            _run_hook(start.hook)
    except NaiadError as error:
        click.echo(f"naiad: {error.message}", err=True)
        sys.exit(1)
    from naiad.cli.main import main as naiad

    naiad(start.words)
