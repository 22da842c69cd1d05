"""Digests of files, worked out once for as long as a file stays the same: a start need not read gigabytes again.

What was worked out is remembered in the user's own cache folder, not beside the file: whoever can write there only
cannot make a changed file look like the one that was read. A file is the same while its inode, size and times of change
are; the kernel sets the last of these at every write, and no program can set it back.

Not covered: somebody who can write to this user's cache folder, or who is this user.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from naiad.core.machine.cache_folders import default_cache, private_folder

FOLDER = "digests"

TICK_NS = 20_000_000
"""More than the steps in which times of change are counted, 1 to 10 ms."""

_CHUNK_BYTES = 2**20

Row = dict[str, object]
"""`identity`, and the digests that are known of it by kind."""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git_blob_id(path: Path) -> str:
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


SHA256, GIT_BLOB = "sha256", "git blob id"

KINDS: Mapping[str, Callable[[Path], str]] = {SHA256: _sha256, GIT_BLOB: _git_blob_id}
"""How each is worked out. SHA-256 is the fastest of hashlib's where the processor has instructions for it, as all
servers of the last years have, and it is what the Hub gives."""


def digest_of(path: Path, kind: str = SHA256, *, anew: bool = False) -> str:
    """A file's digest in hexadecimal, from memory while the file is the same. anew: read it all the same.

    Raises OSError.
    """
    return _digest(path, kind, {}, anew=anew)


def digests_of(folder: Path, names: Iterable[str], *, is_passing: bool = False) -> dict[str, str]:
    """SHA-256 of each of these files that there is. is_passing: do not remember, the folder gets another name.

    Raises OSError.
    """
    there = [name for name in names if (folder / name).exists()]
    if is_passing:
        return {name: _sha256(folder / name) for name in there}
    tables: dict[Path, _Table] = {}
    return {name: _digest(folder / name, SHA256, tables) for name in there}


def _digest(path: Path, kind: str, tables: dict[Path, _Table], *, anew: bool = False) -> str:
    """tables: those that have been read already, by folder."""
    where = Path(os.path.realpath(path))
    identity = _identity(where)
    table = tables.get(where.parent) or tables.setdefault(where.parent, _Table(where.parent))
    row = table.rows.get(where.name, {})
    known = row.get(kind) if row.get("identity") == identity else None
    if isinstance(known, str) and not anew:
        return known
    found = KINDS[kind](where)
    if _identity(where) == identity and _is_settled(identity):
        kept = row if row.get("identity") == identity else {}
        table.put({where.name: {**kept, "identity": identity, kind: found}})
    return found


def remember(folder: Path, digests: Mapping[str, str]) -> None:
    """Note the SHA-256 of files that this process has just written and read. Raises OSError."""
    where = Path(os.path.realpath(folder))
    rows: dict[str, Row] = {
        name: {"identity": _identity(where / name), SHA256: digest} for name, digest in digests.items()
    }
    _Table(where).put({name: row for name, row in rows.items() if _is_settled(row["identity"])})


def _identity(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _is_settled(identity: Any) -> bool:
    """Whether a file that is changed from now on will show it: within a tick of the kernel's clock it would not."""
    return bool(abs(time.time_ns() - max(identity[3:])) > TICK_NS)


class _Table:
    """What is known of the files in one folder."""

    def __init__(self, folder: Path) -> None:
        name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:32] + ".json"
        self._path = default_cache() / FOLDER / name
        self.rows: dict[str, Row] = {}
        with contextlib.suppress(OSError, ValueError, RecursionError):
            rows = json.loads(self._path.read_bytes())
            if isinstance(rows, dict):
                self.rows = {name: row for name, row in rows.items() if isinstance(row, dict)}

    def put(self, rows: Mapping[str, Row]) -> None:
        """Remember rows, if the cache can be written. What another process wrote meanwhile may be lost."""
        self.rows.update(rows)
        with contextlib.suppress(OSError):
            private_folder(self._path.parent)
            descriptor, scratch = tempfile.mkstemp(dir=self._path.parent, prefix=".new-")
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(self.rows, file)
            Path(scratch).replace(self._path)
