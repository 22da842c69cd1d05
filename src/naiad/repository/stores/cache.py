"""What was downloaded from object stores: contents by their SHA-256, and folders of links to them.

    contents/<sha256>            each content once, whatever it is called and wherever it came from
    objects/<key>                the sha256 of one object as it was listed; <key>.part is one that has come in part
    folders/<digest>/            one listing, as a folder of hard links: made at one blow, never changed
    folders/<digest>.lock        held by every process that serves the folder
    listings/<key>.json          the last listing of an address, for when its store cannot be had

Several processes share one cache. A file is downloaded by one of them, a folder is seen whole or not at all, and what
another process serves is not removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from naiad.core.errors import InvalidConfiguration
from naiad.core.machine.cache_folders import default_cache, private_folder
from naiad.repository.stores.address import StoreReference
from naiad.repository.stores.listing import Listing, StoredFile

SIZE_VARIABLE = "NAIAD_STORE_CACHE_SIZE"

USUAL_SIZE = 50 << 30
"""Bytes of contents that are kept."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

_log = logging.getLogger("naiad.repository")


class StoreCache:
    """The cache in one folder."""

    def __init__(self, folder: Path | None = None) -> None:
        """folder: default: `stores` in Naiad's cache. Raises OSError where it cannot be made."""
        self.folder = private_folder(folder or default_cache() / "stores")
        self.contents, self._objects, self._folders, self._listings = (
            private_folder(self.folder / name) for name in ("contents", "objects", "folders", "listings")
        )

    def find_content(self, reference: StoreReference, file: StoredFile) -> Path | None:
        """Where the content of an object lies, if it is here."""
        with contextlib.suppress(OSError):
            content = self.contents / (self._objects / object_key(reference, file)).read_text()
            if content.stat().st_size == file.size_bytes:
                return content
        return None

    def partial(self, reference: StoreReference, file: StoredFile) -> Path:
        """Where an object is put together while it comes."""
        return self._objects / f"{object_key(reference, file)}.part"

    def keep(self, reference: StoreReference, file: StoredFile) -> Path:
        """Take up the partial file of an object, which has all its bytes."""
        part = self.partial(reference, file)
        with part.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        content = self.contents / digest
        part.chmod(0o600)
        part.replace(content)
        _write(self._objects / object_key(reference, file), digest)
        return content

    def _folder_of(self, reference: StoreReference, listing: Listing) -> Path:
        key = hashlib.sha256(f"{reference}\0{listing.digest}".encode()).hexdigest()[:32]
        return self._folders / key / reference.default_name

    def hold(self, reference: StoreReference, listing: Listing) -> Hold | None:
        """Make the folder of a listing and hold it; None when a content is not here (any longer)."""
        with self._changing():
            folder = self._link(reference, listing)
            return None if folder is None else Hold(folder)

    def _link(self, reference: StoreReference, listing: Listing) -> Path | None:
        target = self._folder_of(reference, listing)
        if not target.is_dir():
            making = Path(tempfile.mkdtemp(prefix=".making-", dir=self._folders))
            try:
                for file in listing.files:
                    place = making / reference.default_name / file.path
                    place.parent.mkdir(parents=True, exist_ok=True)
                    if file.is_version:
                        place.mkdir()
                        continue
                    content = self.find_content(reference, file)
                    if content is None:
                        return None
                    os.link(content, place)
                making.replace(target.parent)
            finally:
                shutil.rmtree(making, ignore_errors=True)
        return target

    def remember(self, reference: StoreReference, listing: Listing) -> None:
        """Note what an address holds."""
        rows = json.dumps([asdict(file) for file in listing.files])
        _write(self._listings / f"{_short(str(reference))}.json", rows)

    def recall(self, reference: StoreReference) -> Listing | None:
        """What an address held when its store could be asked last; None if that was never."""
        try:
            rows = json.loads((self._listings / f"{_short(str(reference))}.json").read_text())
            return Listing(tuple(StoredFile(**row) for row in rows))
        except (OSError, ValueError, TypeError):
            return None

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep other processes from linking and removing meanwhile; never held while anything is downloaded."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def trim(self, most_bytes: int) -> None:
        """Remove the folders that have not been served for longest, and their contents, until the rest fits.

        What a process serves, or downloads, stays.
        """
        with self._changing():
            left = sum(path.stat().st_size for path in (*self.contents.iterdir(), *self._objects.glob("*.part")))
            if left <= most_bytes:
                return
            left -= sum(map(_remove_abandoned, self._objects.glob("*.part")))
            for folder in sorted(self._folders.glob("[0-9a-f]*[0-9a-f]"), key=_last_use):
                if left > most_bytes and _remove_unused(folder):
                    left -= self._remove_contents()
            left -= self._remove_contents()
        if left > most_bytes:
            _log.warning(
                "the models that are served take %d MB of the cache in %s, more than the %d MB of %s",
                left >> 20, self.folder, most_bytes >> 20, SIZE_VARIABLE,
            )  # fmt: skip

    def _remove_contents(self) -> int:
        """Remove what no folder links to; gives its bytes."""
        removed = 0
        for path in self.contents.iterdir():
            status = path.stat()
            if status.st_nlink == 1:
                path.unlink()
                removed += status.st_size
        return removed


class Hold:
    """A folder of the cache that this process serves, so that nobody removes it."""

    def __init__(self, folder: Path) -> None:
        """folder: of this cache, while nobody else changes it."""
        self.folder = folder
        path = folder.parent.with_suffix(".lock")
        self._file = path.open("a")
        fcntl.flock(self._file, fcntl.LOCK_SH)
        os.utime(path)

    def release(self) -> None:
        """Let others remove it; may be called again."""
        self._file.close()


def cache_size(text: str) -> int:
    """Read a size such as 20G. Raises InvalidConfiguration."""
    match = re.fullmatch(r"(\d+)\s*([KMGT]?)i?B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise InvalidConfiguration(f"{SIZE_VARIABLE} must be a size such as 20G, not '{text}'")
    return int(match[1]) * _UNITS[match[2].upper()]


def object_key(reference: StoreReference, file: StoredFile) -> str:
    """Stands for one content of one object: its address, its size, and what the store says of its content."""
    return _short(f"{reference}\0{file.path}\0{file.size_bytes}\0{file.tag}")


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _write(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".making-", delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)


def _last_use(folder: Path) -> float:
    with contextlib.suppress(OSError):
        return folder.with_suffix(".lock").stat().st_mtime
    return 0.0


def _remove_abandoned(part: Path) -> int:
    """Remove what has come in part unless a process goes on with it; gives its bytes."""
    with part.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        part.unlink()
        return os.fstat(lock.fileno()).st_size


def _remove_unused(folder: Path) -> bool:
    """Remove a folder unless a process serves it."""
    path = folder.with_suffix(".lock")
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        shutil.rmtree(folder)
        path.unlink()
    return True
