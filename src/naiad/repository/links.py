"""What lies in a model's folder: files, and links that stay in it, so that no model shows what lies elsewhere."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from naiad.core.errors import InvalidConfiguration

_SHARED_BLOB = re.compile(r"blobs/[0-9a-f]{2}/[0-9a-f]{64}")
"""Content at the top of the Hub's cache, where those that came by Xet lie."""


def check_inside(folder: Path) -> None:
    """Raise InvalidConfiguration if a link below `folder` leads out of it, or nowhere, or what lies there is no file.

    In a snapshot of the Hub's cache all files are links to the blobs of their repository, and may be. Elsewhere files
    may be links to the blobs of any, because the Hub's library once filled folders with such.
    """
    root, repositories = Path(os.path.realpath(folder)), _repositories_of(folder)
    for path, mode in _everything_below(folder):
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            continue
        if not stat.S_ISLNK(mode):
            raise InvalidConfiguration(
                f"{path} is a pipe, a socket or a device, and reading it may never end; remove it", path=str(path)
            )
        target = Path(os.path.realpath(path))
        if target.is_symlink():
            raise InvalidConfiguration(f"{path} is a link that leads to itself; remove it", path=str(path))
        if target.is_relative_to(root) or _is_blob(target, repositories):
            continue
        raise InvalidConfiguration(
            f"{path} is a link that leads out of its model's folder ({target}); copy the file instead",
            path=str(path),
        )


def _everything_below(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield files, folders and links, with what each is; without those that go meanwhile, as a conversion's do."""
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(where, name)
            with contextlib.suppress(FileNotFoundError):
                yield path, path.lstat().st_mode


def _repositories_of(folder: Path) -> set[Path]:
    """The repository in the Hub's cache that a folder is a snapshot of, by its name and without links; perhaps none."""
    places = (folder.absolute(), Path(os.path.realpath(folder)))
    return {
        Path(os.path.realpath(parent.parent))
        for place in places
        for parent in (place, *place.parents)
        if parent.name == "snapshots" and parent.parent.name.startswith("models--")
    }


def _is_blob(path: Path, repositories: set[Path]) -> bool:
    """Whether this is a content in the Hub's cache: of one of these repositories, or, without any, of whichever."""
    if not path.is_file():
        return False
    if _SHARED_BLOB.fullmatch("/".join(path.parts[-3:])):
        return not repositories or any(path.parent.parent.parent == one.parent for one in repositories)
    repository = path.parent.parent
    is_known = repository in repositories if repositories else repository.name.startswith("models--")
    return path.parent.name == "blobs" and is_known
