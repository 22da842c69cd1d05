"""Have a folder's tokenizer tried in a process of its own before this one uses it, once for the same files.

The library is written in Rust: a fault in a file can be a panic, which is an error, but memory that cannot be had ends
the process. That the files were lived through is remembered by their digest, so that a later start pays nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from concurrent.futures import Future
from pathlib import Path

from naiad.core.errors import LoadFailed
from naiad.core.machine.cache_folders import default_cache, is_writable, private_folder, temporary_cache
from naiad.core.machine.child import Ended, run_child
from naiad.core.machine.file_digests import digests_of
from naiad.repository.checkpoint import read_object
from naiad.tasks.tokenizing.settings import read_sentence_settings
from naiad.tasks.tokenizing.trial.growth import check_growth

CHILD = "naiad.tasks.tokenizing.trial.child"

OUT_OF_MEMORY = 3
"""The child's exit status where Python itself could get no more."""

TRIED = "tried-tokenizers"
"""Folder in the cache, with a file for each digest."""

VERSION = 1
"""Part of each digest; raise it when more is tried."""

SUFFIXES = frozenset({".json", ".txt", ".model", ".vocab", ".tsv"})
"""Files that a tokenizer may be made of."""

LEAST_BYTES, TIMES = 2**30, 40
"""Memory that the process may take besides what it begins with: so much, and so many times the files' size."""

LEAST_S, BYTES_PER_S = 60.0, 1e6
"""Time that it may take."""

_running: dict[str, Future[None]] = {}
_lived_through: set[str] = set()
"""Digests, for where no cache can be written."""
_lock = threading.Lock()


def begin_trial(folder: Path, *, has_class: bool, child: str = CHILD) -> Future[None]:
    """Begin a trial, or give that which is under way or was passed; the future raises LoadFailed.

    has_class: as in `make_declared`. Raises OSError where the files cannot be read; at once, as it costs nothing, what
    `read_sentence_settings` raises.
    """
    read_sentence_settings(folder)
    digest = _digest(folder, has_class=has_class)
    with _lock:
        if digest in _running:
            return _running[digest]
        future: Future[None] = Future()
        if digest in _lived_through or _note(digest).exists():
            future.set_result(None)
            return future
        _running[digest] = future
    work = threading.Thread(target=_work, args=(future, digest, folder, has_class, child), name="naiad-trial")
    work.daemon = True  # and the process dies with it
    work.start()
    return future


def _work(future: Future[None], digest: str, folder: Path, has_class: bool, child: str) -> None:
    try:
        _try(folder, has_class, child)
    except BaseException as error:  # noqa: BLE001 — raised again by whoever waits
        future.set_exception(error)
    else:
        _lived_through.add(digest)
        with contextlib.suppress(OSError):
            private_folder(_note(digest).parent)
            _note(digest).touch()
        future.set_result(None)
    finally:
        with _lock:
            del _running[digest]


def _try(folder: Path, has_class: bool, child: str) -> None:
    check_growth(folder / "tokenizer.json", read_object(folder / "tokenizer.json"))
    size = sum(path.stat().st_size for path in _files(folder))
    order = {
        "folder": str(folder.absolute()),
        "has_class": has_class,
        "parent": os.getpid(),
        "memory_bytes": LEAST_BYTES + TIMES * size,
    }
    try:
        ended = run_child(child, json.dumps(order), seconds=LEAST_S + size / BYTES_PER_S)
    except TimeoutError as error:
        raise _died(folder, str(error)) from error
    except OSError as error:
        raise _died(folder, f"could not be started: {error}") from error
    if ended.status:
        raise _died(folder, _how(ended))


def _how(ended: Ended) -> str:
    if ended.killed_by is not None:
        name = getattr(ended.killed_by, "name", f"signal {ended.killed_by}")
        return f"was ended by {name}; most likely the files ask for too much memory"
    if ended.status == OUT_OF_MEMORY:
        return "ran out of memory"
    return f"ended with status {ended.status} ({ended.complaints.strip().rpartition(chr(10))[2][:300]})"


def _died(folder: Path, how: str) -> LoadFailed:
    return LoadFailed(
        f"the tokenizer in {folder} cannot be used: its first run, in a process of its own, {how}. The server and its "
        "other models keep running",
        folder=str(folder),
    )


def _digest(folder: Path, *, has_class: bool) -> str:
    """Of all files that count, by their names, of this version and the library's."""
    import tokenizers

    names = [path.name for path in _files(folder)]
    facts = [VERSION, tokenizers.__version__, has_class, digests_of(folder, names)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())


def _note(digest: str) -> Path:
    cache = default_cache()
    return (cache if is_writable(cache) else temporary_cache()) / TRIED / digest
