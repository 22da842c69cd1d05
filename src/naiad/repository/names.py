"""What may be a model's name, and what may be a path inside a model: the two gates that every name goes through.

Names become parts of URLs and of paths, so neither can lead out of its folder.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from naiad.core.errors import InvalidConfiguration

LONGEST_NAME = 255
"""Bytes; what file systems take."""


def check_model_name(name: str) -> str:
    """Give the name back if a model may have it, else raise InvalidConfiguration."""
    if not name or not name.strip():
        raise InvalidConfiguration("a model's name is empty", name=name)
    if "/" in name or "\\" in name or name in (".", ".."):
        raise InvalidConfiguration(f"model name {name!r}: neither slashes nor '.' and '..' are allowed", name=name)
    if not name.isprintable() or len(name.encode()) > LONGEST_NAME:
        raise InvalidConfiguration(
            f"model name {name!r}: control characters and more than {LONGEST_NAME} bytes are not allowed", name=name
        )
    return name


def check_relative_path(path: str) -> str:
    """Give the path back if it is relative and cannot leave its folder, else raise InvalidConfiguration."""
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or "\\" in path or not path.isprintable():
        raise InvalidConfiguration(f"path {path!r} must be relative and stay inside its folder", path=path)
    return path


def resolve_inside(folder: Path, path: str, *others: Path) -> Path:
    """The file that `path` names inside `folder`, links resolved.

    It must lie below `folder` or below one of `others` (the blob store of a Hub cache). Raises InvalidConfiguration
    if it leads elsewhere; whether it exists is not looked at.
    """
    target = Path(os.path.realpath(folder / check_relative_path(path)))  # `Path.resolve` raises for loops
    if not any(target.is_relative_to(os.path.realpath(root)) for root in (folder, *others)):
        raise InvalidConfiguration(f"path {path!r} in {folder} is a link that leads out of that folder", path=path)
    return target
