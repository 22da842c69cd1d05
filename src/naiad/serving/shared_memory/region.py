"""One region: a part of a POSIX shared memory object that a client has made, opened and mapped by us.

The object is the client's: it is never created, resized or unlinked here. (`multiprocessing.shared_memory` would unlink
it at our exit, hence the bare calls.) Inputs are read through a mapping, without a copy; outputs are written with
`pwrite`, because a store into a mapping whose file has shrunk, or whose file system is full, kills the process.

A region is closed when nothing holds it any more: neither the registry, nor a place for an output, nor a view of an
input, which holds the mapping. So a request under way may go on with a region that has been unregistered.
"""

from __future__ import annotations

import os
import sys
import weakref
from mmap import ACCESS_READ, PAGESIZE, mmap
from stat import S_ISREG
from typing import NamedTuple

from naiad.core.errors import Failed, InvalidRequest

_MOST = 2**64 - 1
"""Triton's SIZE_MAX."""

_POPULATE_READ = 22
"""Linux's MADV_POPULATE_READ, which Python 3.11 has no name for (linux/mman.h)."""

_RANGES = 1024
"""Ranges that are remembered as populated; clients use the same few again and again."""


def check_range(name: str, region_bytes: int, offset: int, byte_size: int) -> None:
    """Raise InvalidRequest unless `byte_size` bytes from `offset` on lie in a region of `region_bytes`."""
    if not 0 <= offset < region_bytes:
        raise InvalidRequest(f"Invalid offset for shared memory region: '{name}'", region=name)
    if byte_size + offset > _MOST:
        raise InvalidRequest(
            f"Integer overflow detected: byte_size ({byte_size}) + offset ({offset}) exceeds maximum value ({_MOST}) "
            f"for region '{name}'",
            region=name,
        )
    if not 0 <= byte_size <= region_bytes - offset:
        raise InvalidRequest(f"Invalid offset + byte size for shared memory region: '{name}'", region=name)


class Region:
    """A registered region. Used on the event loop's thread; written to, and let go of, on any."""

    __slots__ = ("__weakref__", "_descriptor", "_mapping", "_populated", "_skip", "byte_size", "key", "name", "offset")

    def __init__(self, name: str, key: str, offset: int, byte_size: int) -> None:
        """Open and map. Raises Failed where there is no such object, InvalidRequest where it is too small."""
        self.name, self.key = name, key
        self.offset, self.byte_size = offset, byte_size
        if key and not key.strip("/"):
            raise InvalidRequest(
                f"failed to register shared memory region '{name}': invalid shm key '{key}'", region=name, key=key
            )
        self._descriptor = descriptor = _open(key)
        weakref.finalize(self, os.close, descriptor)
        status = os.fstat(descriptor)
        if not S_ISREG(status.st_mode) or offset < 0 or byte_size < 1 or offset + byte_size > status.st_size:
            raise self._refused()
        self._skip = offset % PAGESIZE
        """A mapping begins at a page, so this much of it is not ours."""
        try:
            self._mapping = mmap(descriptor, self._skip + byte_size, access=ACCESS_READ, offset=offset - self._skip)
        except (OSError, ValueError, OverflowError) as error:
            raise self._refused() from error
        self._populated: set[tuple[int, int]] = set()

    def read(self, offset: int, byte_size: int) -> memoryview:
        """Return a read-only view. Raises InvalidRequest for what is not, or is no longer, there."""
        check_range(self.name, self.byte_size, offset, byte_size)
        self._check_size(offset + byte_size)
        start = self._skip + offset
        end = start + byte_size
        if (start, end) not in self._populated:
            self._populate(start, end)
        return memoryview(self._mapping)[start:end]

    def reserve(self, offset: int, byte_size: int) -> ReservedMemory:
        """Return a place for an output. Raises InvalidRequest for one that is not in the region."""
        check_range(self.name, self.byte_size, offset, byte_size)
        return ReservedMemory(self, offset, byte_size)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write bytes to a range that has been checked. Raises InvalidRequest as `read` does, Failed for a full system.

        data: a view of single bytes.
        """
        size = len(data)
        self._check_size(offset + size)
        at = self.offset + offset
        try:
            written = os.pwrite(self._descriptor, data, at)
            while written < size:  # the system takes 2 GB at a time
                written += os.pwrite(self._descriptor, memoryview(data)[written:], at + written)
        except OSError as error:
            raise Failed(f"cannot write to shared memory region '{self.name}': {error.strerror}") from error

    def _check_size(self, end: int) -> None:
        """Raise InvalidRequest if the object no longer has the region's first `end` bytes: touching them would kill us.

        A client that shrinks its object in the moment between this and the use of an input still can. Seeking to the
        end takes 0.3 µs; `fstat`, which makes an object of all that it finds, 0.8 µs.
        """
        if os.lseek(self._descriptor, 0, os.SEEK_END) < self.offset + end:
            raise InvalidRequest(
                f"shared memory region '{self.name}' is smaller than when it was registered; unregister it",
                region=self.name,
            )

    def _populate(self, start: int, end: int) -> None:
        """Make the system find the pages now, as it may have no memory for those that nobody has written to yet.

        Raises Failed then, where reading them would kill the process. Costs as much as copying them would, hence once
        for each range, and not at all where the whole object is there.
        """
        status = os.fstat(self._descriptor)
        has_holes = status.st_blocks * 512 < status.st_size
        if sys.platform == "linux" and has_holes and start < end:
            page = start // PAGESIZE * PAGESIZE
            try:
                self._mapping.madvise(_POPULATE_READ, page, end - page)
            except OSError as error:
                if error.errno != 22:  # EINVAL: a Linux before 5.14, which does not know the advice
                    raise Failed(
                        f"cannot read shared memory region '{self.name}': {error.strerror}", region=self.name
                    ) from error
        if len(self._populated) >= _RANGES:
            self._populated.clear()
        self._populated.add((start, end))

    def _refused(self) -> InvalidRequest:
        return InvalidRequest(f"failed to register shared memory region '{self.name}': invalid args", region=self.name)


class ReservedMemory(NamedTuple):
    """A part of a region that an output goes to; made by `Region.reserve`."""

    region: Region
    offset: int
    byte_size: int

    def write(self, data: bytes | memoryview) -> None:
        """See `OutputMemory.write`."""
        self.region.write(self.offset, data)


def _open(key: str) -> int:
    """Open a shared memory object for reading and writing. Raises Failed."""
    from _posixshmem import shm_open  # type: ignore[import-not-found]  # private, so without stubs; not on every system

    name = key.lstrip("/")
    unable = Failed(f"Unable to open shared memory region: '{key}'", key=key)
    if not name or "/" in name or "\0" in name:  # systems differ in what they make of these
        raise unable
    try:
        descriptor: int = shm_open("/" + name, os.O_RDWR)
    except (OSError, ValueError) as error:
        raise unable from error
    return descriptor
