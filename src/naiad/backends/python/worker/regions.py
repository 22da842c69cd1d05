"""Anonymous shared memory for large tensors: nothing has a name, so nothing is left when both ends are gone.

Who writes owns the region: it makes it, seals its size, passes its descriptor once and uses it again. Byte 0 is 1 from
the moment it is filled until the reader has let go of the last array in it; the reader clears it. No message is needed,
and a reader that keeps an array for long only keeps that region.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
import weakref
from typing import Any

import numpy as np

DATA_AT = 64
"""Where the data begins, and what every tensor is aligned to."""

LEAST_BYTES = 256 * 1024

MOST_IDLE = 4
"""Regions that an owner keeps although nobody reads them."""

_SEALS = 0x0002 | 0x0004  # no shrinking, no growing


class Region:
    """A region as its owner sees it."""

    def __init__(self, number: int, size: int) -> None:
        self.number = number
        self.size = size
        self.descriptor = os.memfd_create("naiad-tensors", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.descriptor, size)
            self.memory = mmap.mmap(self.descriptor, size)
            fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _SEALS)
        except BaseException:
            os.close(self.descriptor)
            raise
        self.is_known = False
        """The reader has its descriptor."""

    @property
    def is_free(self) -> bool:
        """Whether nobody reads it."""
        return self.memory[0] == 0

    def close(self) -> None:
        """Let go of the descriptor; the memory goes with the last who maps it."""
        os.close(self.descriptor)


class Owned:
    """The regions that one end writes; any thread may take one."""

    def __init__(self) -> None:
        self._regions: list[Region] = []
        self._lock = threading.Lock()
        self._last = 0
        self._dropped: list[int] = []

    def take(self, size: int) -> Region:
        """Return a region that holds `size` bytes of data; its owner's until the reader lets go. Raises OSError."""
        needed = DATA_AT + size
        with self._lock:
            free = sorted((one for one in self._regions if one.is_free), key=lambda one: one.size)
            fitting = next((one for one in free if one.size >= needed), None)
            if fitting is None or fitting.size > 8 * max(needed, LEAST_BYTES):
                self._last += 1
                fitting = Region(self._last, max(LEAST_BYTES, 1 << (needed - 1).bit_length()))
                self._regions.append(fitting)
                self._drop([one for one in free if one.is_known][: len(free) + 1 - MOST_IDLE])
            fitting.memory[0] = 1
            return fitting

    def put_back(self, region: Region) -> None:
        """Make a region free that was taken and told nobody of."""
        region.memory[0] = 0

    def dropped(self) -> list[int]:
        """Return the numbers of regions that are gone, once."""
        with self._lock:
            dropped, self._dropped = self._dropped, []
            return dropped

    def keep(self, dropped: list[int]) -> None:
        """Return these by `dropped` once more: nobody was told."""
        with self._lock:
            self._dropped += dropped

    def close(self) -> None:
        """Let go of all of them."""
        with self._lock:
            for one in self._regions:
                one.close()
            self._regions = []

    def _drop(self, regions: list[Region]) -> None:
        for one in regions:
            self._regions.remove(one)
            self._dropped.append(one.number)
            one.close()


class _Mapped:
    """A region as its reader sees it."""

    def __init__(self, memory: mmap.mmap) -> None:
        self.memory = memory
        self.watch: Any = None

    def free(self, _: Any) -> None:
        self.memory[0] = 0


class Mapped:
    """The regions that one end reads; used by the thread that receives."""

    def __init__(self, *, is_writable: bool) -> None:
        """is_writable: whether arrays may be changed in place."""
        self._is_writable = is_writable
        self._regions: dict[int, _Mapped] = {}

    def add(self, number: int, descriptor: int) -> None:
        """Map a region. Raises ValueError for one that its owner could shrink, OSError; the descriptor is closed."""
        try:
            if fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & _SEALS != _SEALS:
                raise ValueError("shared memory is not sealed")
            self._regions[number] = _Mapped(mmap.mmap(descriptor, os.fstat(descriptor).st_size))
        finally:
            os.close(descriptor)

    def open(self, number: int) -> Any:
        """Return a region's bytes as an array (n,) uint8; it is free again when that and all its views are gone."""
        region = self._regions[number]
        whole = np.frombuffer(region.memory, np.uint8)
        if not self._is_writable:
            whole.flags.writeable = False
        region.watch = weakref.ref(whole, region.free)
        return whole

    def forget(self, number: int) -> None:
        """Unmap a region as soon as no array is left in it."""
        self._regions.pop(number, None)
