"""What the event loop reads of a worker's connections, so that no thread stands between the two.

This and `process.py` are where a worker's messages come in; nothing else of this backend knows the loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

_LOOK_S = 0.1
"""Between two looks whether a loop still runs that is to let go of descriptors."""


class Readers:
    """The descriptors of one worker that an event loop reads; all of the same loop."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        """The one that reads, or has read."""
        self._descriptors: set[int] = set()
        self._lock = threading.Lock()
        self._empty = threading.Event()
        self._is_closed = False
        self._on_close: dict[int, Callable[[], None]] = {}

    @property
    def is_here(self) -> bool:
        """Whether this is the thread of the loop that reads."""
        try:
            return asyncio.get_running_loop() is self.loop
        except RuntimeError:
            return False

    def add(self, descriptor: int, call: Callable[[], None], on_close: Callable[[], None] | None = None) -> bool:
        """Have the running loop call whenever there is something to read. False: the worker is ending.

        on_close: called on the loop when it has stopped to read because the worker is ending.
        """
        with self._lock:
            if self._is_closed:
                return False
            self.loop = asyncio.get_running_loop()
            self.loop.add_reader(descriptor, call)
            self._descriptors.add(descriptor)
            if on_close is not None:
                self._on_close[descriptor] = on_close
            return True

    def remove(self, descriptor: int) -> None:
        """Have the loop read a descriptor no more; on its thread."""
        with self._lock:
            if descriptor in self._descriptors and self.loop is not None:
                self._descriptors.remove(descriptor)
                self._on_close.pop(descriptor, None)
                self.loop.remove_reader(descriptor)

    def close(self) -> None:
        """Have the loop read nothing any more, now and later; from any thread, blocks until it is so."""
        with self._lock:
            self._is_closed = True
            loop = self.loop
        if loop is None or not self._descriptors:
            return
        if self.is_here or not loop.is_running():
            self._remove_all()
            return
        with suppress(RuntimeError):  # it is closed
            loop.call_soon_threadsafe(self._remove_all)
        while not self._empty.wait(_LOOK_S):
            if not loop.is_running():
                self._remove_all()

    def _remove_all(self) -> None:
        told = list(self._on_close.values()) if self.is_here else []
        for descriptor in list(self._descriptors):
            with suppress(RuntimeError):  # the loop is closed
                self.remove(descriptor)
        self._empty.set()
        for on_close in told:
            on_close()
