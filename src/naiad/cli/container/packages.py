"""ENABLE_PIP_INSTALL: packages that a container installs when it starts, for the code of Python models.

They go into a folder of the cache, one for each content of the requirements file, so that the next start finds them.
Packages that the image has keep its versions: the server runs on those.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

import click

from naiad import __version__
from naiad.core.errors import InvalidConfiguration
from naiad.core.machine.cache_folders import default_cache


def install(requirements: Path) -> None:
    """Install what the file names, unless that has been done, and let Python find it, here and in processes to come.

    Raises InvalidConfiguration where there is no pip, where the file cannot be read, or when pip fails.
    """
    if find_spec("pip") is None:
        raise InvalidConfiguration(
            f"ENABLE_PIP_INSTALL is on, and this image has no pip: use the image naiad:{__version__}-pip, or build one "
            f"of your own on it that has the packages of {requirements}"
        )
    folder = _folder_of(requirements)
    if not folder.is_dir():
        click.echo(f"naiad: installing the packages of {requirements}", err=True)
        _install(requirements, folder)
    sys.path.append(str(folder))
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)


def _folder_of(requirements: Path) -> Path:
    try:
        content = requirements.read_bytes()
    except OSError as error:
        raise InvalidConfiguration(f"{requirements} cannot be read: {error.strerror}") from error
    digest = hashlib.sha256(content + sys.version.encode() + "\n".join(_own_versions()).encode()).hexdigest()
    return default_cache() / "python" / digest[:32]


def _install(requirements: Path, folder: Path) -> None:
    """Make the folder at one stroke: another container may share the cache, or this one may be ended meanwhile."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".installing-", dir=folder.parent))
    except OSError as error:
        raise InvalidConfiguration(
            f"packages cannot be installed in {folder.parent} ({error.strerror}); mount a folder that can be written"
        ) from error
    try:
        constraints = scratch / "constraints.txt"
        constraints.write_text("\n".join(_own_versions()) + "\n")
        target = scratch / "packages"
        options = ["--progress-bar=off", "--no-cache-dir", "--disable-pip-version-check", "--no-warn-conflicts"]
        command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target)]
        command += ["--constraint", str(constraints), "-r", str(requirements)]
        # Not --quiet: that leaves out which packages are in each other's way.
        status = subprocess.run(command, stdout=sys.stderr, check=False).returncode  # noqa: S603 - our own words
        if status != 0:
            raise InvalidConfiguration(
                f"pip could not install the packages of {requirements} (status {status}); its reason stands above. "
                "Packages that the image has keep their versions"
            )
        target.mkdir(exist_ok=True)
        if not folder.is_dir():
            target.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _own_versions() -> Iterator[str]:
    """The packages of the image, as pins."""
    found = {one.metadata["Name"]: one.version for one in distributions() if one.metadata["Name"] != "naiad"}
    return (f"{name}=={version}" for name, version in sorted(found.items()))
