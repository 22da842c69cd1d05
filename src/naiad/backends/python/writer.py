"""What the server tells a worker by itself: at once where its connection takes it, else by a thread that may wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, NamedTuple

from naiad.backends.python.worker.regions import Owned
from naiad.backends.python.worker.tensors import Packed
from naiad.backends.python.worker.wire import SEND_NOWAIT, Channel

_END_S = 10.0
"""What is left to be written is written by then, or never."""

Make = Callable[[Packed], dict[str, Any]]
"""Fills in the tensors and returns the header; called in the thread that sends, perhaps twice."""


class _Write(NamedTuple):
    channel: Channel
    owned: Owned
    kind: int
    make: Make

    def send(self, flags: int = 0) -> None:
        packed = Packed(self.owned)
        packed.send(self.channel, self.kind, self.make(packed), flags)


class Writer:
    """One worker's; any thread may write. Messages leave in their order."""

    def __init__(self, name: str) -> None:
        """name: of the thread."""
        self._name = name
        self._waiting: deque[_Write] = deque()
        self._work: SimpleQueue[bool] = SimpleQueue()
        """Wakes the thread: with True for each of those that wait, with False to end it."""
        self._thread: threading.Thread | None = None
        self._sending = threading.Lock()

    def write(self, channel: Channel, owned: Owned, kind: int, make: Make, *, is_long: bool = False) -> None:
        """Send a message without waiting for the worker to read; one that is gone hears nothing.

        is_long: filling in the tensors takes long.
        """
        write = _Write(channel, owned, kind, make)
        if not is_long and self._sending.acquire(blocking=False):
            try:
                if not self._waiting:
                    write.send(SEND_NOWAIT)
                    return
            except BlockingIOError:
                pass
            except OSError:
                return
            finally:
                self._sending.release()
        self._waiting.append(write)
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
        self._work.put(True)

    def end(self) -> None:
        """Let the thread end; the worker is gone."""
        self._work.put(False)

    def join(self) -> None:
        """Wait for the thread to have ended."""
        if self._thread is not None:
            self._thread.join(_END_S)

    def _serve(self) -> None:
        while self._work.get():
            with self._sending, suppress(OSError):
                self._waiting[0].send()
            self._waiting.popleft()
