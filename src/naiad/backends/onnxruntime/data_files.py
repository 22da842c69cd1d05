"""Models whose weights lie in data files beside them (external data) are opened from a copy that nobody else knows.

ONNX Runtime maps these files for as long as the model is served. Whoever then copies new weights over them would change
what the running model says, or end the process with every model on it: `cp` first makes a file empty (SIGBUS). The copy
is removed as soon as it is open, and its space is free once the last session on it is.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from naiad.backends.onnxruntime.prepared.extents import read_extents
from naiad.core.errors import LoadFailed
from naiad.core.machine.cache_folders import default_cache, is_writable, temporary_folder

_log = logging.getLogger("naiad.backends.onnxruntime")


@contextmanager
def opened_apart(model: Path) -> Iterator[Path]:
    """Give the file to open: a copy of the model with its data files; the model itself where it has none.

    Also the model itself, with a warning, where there is no space for a copy. A LoadFailed that the block raises speaks
    of the model.
    """
    with ExitStack() as stack:
        copy = model
        names = _data_files(model)
        if names:
            try:
                copy = _copy(model, names, Path(stack.enter_context(_new_folder())))
            except OSError as error:
                _log.warning(
                    "no space for a copy of the weights: do not overwrite their files while the model is served, add a "
                    "new version (NAIAD_CACHE may name a larger place)",
                    extra={"path": str(model), "reason": str(error)},
                )
        try:
            yield copy
        except LoadFailed as error:
            if copy == model:
                raise
            told = error.message.replace(str(copy.parent), str(model.parent))
            raise LoadFailed(told, **{**error.detail, "path": str(model)}) from error


def _data_files(model: Path) -> list[str]:
    """Those in or below the model's folder, by the names that it has for them; the runtime refuses all others."""
    try:
        names = {extent.file for extent in read_extents(model)}
    except (OSError, ValueError):
        return []  # the runtime says better what is wrong with it
    folder = model.parent.resolve()
    paths = {name: Path(name) for name in names}
    return sorted(
        name
        for name, path in paths.items()
        if not path.is_absolute() and ".." not in path.parts and (folder / path).is_file()
    )


def _new_folder() -> tempfile.TemporaryDirectory[str]:
    cache = default_cache()
    if is_writable(cache):
        cache.mkdir(parents=True, exist_ok=True)
    else:
        cache = temporary_folder()
    return tempfile.TemporaryDirectory(prefix=".opening-", dir=cache, ignore_cleanup_errors=True)


def _copy(model: Path, names: list[str], folder: Path) -> Path:
    for name in [model.name, *names]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model.parent / name, folder / name)
    return folder / model.name
