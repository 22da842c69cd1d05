"""Bring the objects of a listing onto the disk: several at a time, each going on where it broke off."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from naiad.core.errors import DownloadFailed
from naiad.repository.progress import Progress, size_text
from naiad.repository.stores.cache import StoreCache
from naiad.repository.stores.listing import Listing, StoredFile
from naiad.repository.stores.store import Changed, Store

PIECE_BYTES = 8 << 20
"""Of one request; what is lost when a connection breaks."""

AT_ONCE = 4
"""Objects."""

ATTEMPTS = 3
"""For each piece, besides the library's own."""

SPARE_BYTES = 64 << 20
"""That a download leaves on the disk."""


def download(store: Store, listing: Listing, cache: StoreCache, progress: Progress) -> int:
    """Download what is not in the cache; gives the bytes that came.

    Raises DownloadFailed for want of space, OSError when the store cannot be had, `store.Changed` when an object is not
    what was listed any more.
    """
    reference = store.reference
    missing = [file for file in listing.files if not file.is_version and cache.find_content(reference, file) is None]
    to_come = sum(file.size_bytes for file in missing)
    free = shutil.disk_usage(cache.folder).free
    if to_come + SPARE_BYTES > free:
        raise DownloadFailed(
            f"{reference} takes {size_text(to_come)}, and the disk of {cache.folder} has {size_text(free)} left; make "
            "room, or set NAIAD_CACHE to a folder on another disk",
            source=str(reference),
        )
    if missing:
        progress.note(f"{reference}: {len(missing)} files, {size_text(to_come)}")
    with ThreadPoolExecutor(AT_ONCE, "naiad-download") as pool:
        for _ in pool.map(partial(_download, store, cache), missing):
            pass
    return to_come


def _download(store: Store, cache: StoreCache, file: StoredFile) -> None:
    """One process at a time; the others find the content when it is their turn."""
    with _locked(cache.partial(store.reference, file)) as part:
        if cache.find_content(store.reference, file) is not None:
            return
        at = os.fstat(part.fileno()).st_size
        if at > file.size_bytes:
            part.truncate(at := 0)
        while at < file.size_bytes:
            at += part.write(_piece(store, file, at))
        cache.keep(store.reference, file)


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """Open a partial file to go on with it, when no other process does."""
    while True:
        with path.open("ab", buffering=0) as part:
            fcntl.flock(part, fcntl.LOCK_EX)
            if path.exists() and os.path.samestat(path.stat(), os.fstat(part.fileno())):
                yield part
                return
        # Another process has finished it, and taken it away.


def _piece(store: Store, file: StoredFile, at: int) -> memoryview:
    end = min(at + PIECE_BYTES, file.size_bytes)
    for left in range(ATTEMPTS - 1, -1, -1):
        try:
            piece = store.read(file, at, end)
        except Changed:
            raise
        except OSError:
            if not left:
                raise
        else:
            if piece:
                return piece
            break
    raise OSError(f"{file.path} ended at {at} of {file.size_bytes} bytes")
