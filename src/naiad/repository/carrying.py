"""Taking a fetched model along: into a folder or an object store, from where it is served without its source."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from naiad.core.errors import AlreadyExists, Failed, InvalidConfiguration
from naiad.repository.contract import Fetched
from naiad.repository.leaving import files_that_may_leave
from naiad.repository.names import check_model_name
from naiad.repository.progress import Progress
from naiad.repository.reference import FolderReference, Reference, parse_reference
from naiad.repository.stores.address import StoreReference
from naiad.repository.stores.push import push_to_store


def check_target(target: Reference) -> None:
    """Raise InvalidConfiguration for a target that takes no models: before anything is downloaded for it."""
    if isinstance(target, StoreReference):
        return
    if not isinstance(target, FolderReference):
        raise InvalidConfiguration(f"--to {target}: give a folder or an object store, such as s3://bucket/path")
    ways = (target.path, *target.path.parents)
    place = next(way for way in ways if os.path.exists(way))  # noqa: PTH110 — Path.exists raises where one may not look
    if not place.is_dir():
        raise InvalidConfiguration(f"--to {target.path}: {place} is a file; give a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InvalidConfiguration(f"--to {target.path}: you may not write to {place}; give another folder")


def carry(fetched: Fetched, name: str, target: Reference, progress: Progress | None = None) -> Reference:
    """Copy a model to a folder NAME below the target; returns where it is. Blocks.

    Of a Hub repository the files that are served come along, of others all that may leave the machine. What is already
    in a folder stays if it is the same, and is replaced otherwise. Raises InvalidConfiguration, AlreadyExists, Failed.
    """
    check_model_name(name)
    chosen = [file.path for file in fetched.files]
    if isinstance(target, StoreReference):
        place = parse_reference(f"{str(target).rstrip('/')}/{name}")
        assert isinstance(place, StoreReference)
        push_to_store(fetched.folder, place, files=chosen, progress=progress)
        return place
    check_target(target)
    assert isinstance(target, FolderReference)
    place_path = target.path / name
    if place_path.resolve() == fetched.folder.resolve():
        return FolderReference(place_path)
    files = chosen or files_that_may_leave(fetched.folder, allow_code=True)
    try:
        _copy(fetched.folder, files, place_path)
    except OSError as error:
        raise Failed(f"{place_path}: the model cannot be copied there: {error.strerror or error}") from error
    return FolderReference(place_path)


def _copy(folder: Path, files: list[str], place: Path) -> None:
    """Copy beside the place, then put it there, so that nobody sees half of a model."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".making-") as temporary:
        made = Path(temporary) / "model"
        for file in files:
            (made / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / file, made / file)  # what links to a cache becomes a file
        if place.exists():
            if not place.is_dir() or not _is_ours(place):
                raise AlreadyExists(f"{place} is there already, and no model; choose another folder, or remove it")
            place.rename(Path(temporary) / "old")
        made.rename(place)


def _is_ours(place: Path) -> bool:
    return (
        not any(place.iterdir())
        or any((place / name).exists() for name in ("config.json", "config.pbtxt"))
        or any(path.is_dir() and (path / "config.pbtxt").exists() for path in place.iterdir())
    )
