"""Which models a folder offers, told by names alone: cheap enough to be asked again and again.

`layout` says what one of them is when it is about to be loaded. What cannot be read raises OSError: a disk that is away
for a moment must not look like one from which everything was deleted.
"""

from __future__ import annotations

import os
from pathlib import Path

from naiad.repository.layout import CONFIG_FILE, VERSION

CONFIGS_FOLDER = "configs"
"""Other configurations of a model, by name: configs/NAME.pbtxt."""

Signature = tuple[tuple[str, int, int, int], ...]
"""What lies below a folder, sorted: (path, modification time in ns, size, inode) of each file, (path/, 0, 0, 0) of each
folder. Differs when a file does, and when a folder comes or goes, even an empty one."""


def holds_model(folder: Path) -> bool:
    """Whether a folder looks like one Triton model: a configuration, or a version folder with something in it."""
    if (folder / CONFIG_FILE).is_file():
        return True
    return any(VERSION.fullmatch(child.name) and any(child.iterdir()) for child in _folders(folder))


def list_models(repository: Path) -> list[Path]:
    """Folders of the models in a repository, by name; hidden folders and all others are no models."""
    return [child for child in _folders(repository) if holds_model(child)]


def signature(folder: Path) -> Signature:
    """Say how a folder is now; left out are hidden files and folders, where we keep what was made of the others."""
    rows: list[tuple[str, int, int, int]] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "."]
        rows += [(os.path.relpath(os.path.join(place, name), folder) + "/", 0, 0, 0) for name in folders]  # noqa: PTH118
        for name in names:
            if name[0] == ".":
                continue
            path = os.path.join(place, name)  # noqa: PTH118 — thousands of them, every few seconds
            try:
                status = os.stat(path)  # noqa: PTH116
            except OSError:  # gone meanwhile, or a link to nowhere
                continue
            rows.append((os.path.relpath(path, folder), status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(sorted(rows))


_COMPILED = "__pycache__/"


def signature_of(path: Path) -> Signature:
    """Say how code, or a file, is now; what Python makes of code by itself is left out. Nothing: it is not there."""
    if path.is_dir():
        rows = [row for row in signature(path) if _COMPILED not in row[0]]
        return tuple((f"{path.name}/{row[0]}", row[1], row[2], row[3]) for row in rows)
    try:
        status = path.stat()
    except OSError:
        return ()
    return ((path.name, status.st_mtime_ns, status.st_size, status.st_ino),)


def _folders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.name[0] != "." and child.is_dir())
