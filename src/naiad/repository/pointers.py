"""Git LFS pointers: what lies in place of a large file where a repository was cloned without git-lfs.

They have the file's name and a few lines of text, so whoever reads them finds broken JSON, or a vocabulary of three
words. Said here once, before anything is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from naiad.core.errors import InvalidConfiguration

_LONGEST = 1024
"""Bytes; larger files are none."""
_BEGINNING = b"version https://git-lfs.github.com/spec/"


def refuse_pointers(paths: Iterable[Path]) -> None:
    """Raise InvalidConfiguration for the first of these files that is a pointer."""
    for path in paths:
        if _is_pointer(path):
            raise InvalidConfiguration(
                f"{path} is a Git LFS pointer, not the file itself: run `git lfs install`, then `git lfs pull` in the "
                "cloned repository",
                path=str(path),
            )


def _is_pointer(path: Path) -> bool:
    try:
        return path.stat().st_size < _LONGEST and path.read_bytes().startswith(_BEGINNING)
    except OSError:  # whoever needs the file says so
        return False
