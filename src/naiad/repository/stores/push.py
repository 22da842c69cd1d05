"""Uploading a folder that can be served to an object store.

A store has no commit that makes all files appear at once, so those that make a folder a model come last: a server that
looks meanwhile does not see half of a new model. A version that others read already is never written again: give new
weights a new version folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from naiad.core.errors import Failed
from naiad.repository.layout import CONFIG_FILE, recognise
from naiad.repository.leaving import files_that_may_leave
from naiad.repository.progress import Progress, SilentProgress, size_text
from naiad.repository.stores.address import StoreReference
from naiad.repository.stores.store import Store

_LAST = (CONFIG_FILE, "config.json", "modules.json")

AT_ONCE = 4
"""Uploads."""


def push_to_store(
    folder: Path,
    target: StoreReference,
    *,
    files: Sequence[str] = (),
    allow_code: bool = False,
    progress: Progress | None = None,
) -> Sequence[str]:
    """Upload a folder; gives the paths of its files, in their order. Blocks.

    files: those that are uploaded; empty: all that may leave the machine.

    Raises InvalidConfiguration for a folder that cannot be served or must not leave the machine, Failed when the store
    cannot be had.
    """
    recognise(folder)
    files = files or files_that_may_leave(folder, allow_code=allow_code)
    size = sum((folder / path).stat().st_size for path in files)
    store = Store(target)
    (progress or SilentProgress()).note(f"uploading {folder.name} ({size_text(size)}) to {target}")
    first = [path for path in files if Path(path).name not in _LAST]
    last = [path for path in files if Path(path).name in _LAST]
    try:
        for some in (first, last):
            with ThreadPoolExecutor(AT_ONCE, "naiad-upload") as pool:
                list(pool.map(partial(_upload, store, folder), some))
    except OSError as error:
        raise Failed(f"{target}: {error}; push again later") from error
    return [*first, *last]


def _upload(store: Store, folder: Path, path: str) -> None:
    store.write(path, folder / path)
