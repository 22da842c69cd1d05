"""Answers of one stream in their order, some of which are still being written in a thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

from naiad.core.errors import NaiadError
from naiad.serving.worker import Work, Worker

Result = TypeVar("Result")


class Outbox:
    """Calls what sends each answer when its turn has come. Owned by the loop's thread."""

    def __init__(self, worker: Worker, on_empty: Callable[[], object] | None = None) -> None:
        """on_empty: called when the last of those that had to wait is sent."""
        self._worker = worker
        self._on_empty = on_empty or _nothing
        self._waiting: deque[_Place] = deque()

    @property
    def is_empty(self) -> bool:
        """Nothing waits."""
        return not self._waiting

    def put(self, send: Callable[[], object]) -> None:
        """Send now, or when what came before is sent."""
        if self._waiting:
            place = _Place()
            place.send = send
            self._waiting.append(place)
        else:
            send()

    def put_long(self, size: int, write: Callable[[], Result], send: Callable[[Result | NaiadError], object]) -> None:
        """Write in a thread, then send. size: bytes that are written."""
        place = _Place()
        self._waiting.append(place)

        def written(result: Result | NaiadError) -> None:
            place.send = lambda: send(result)
            self._send()

        place.work = self._worker.submit(size, write, written)

    def clear(self) -> None:
        """Send nothing of what waits."""
        for place in self._waiting:
            if place.work is not None:
                place.work.cancel()
        self._waiting.clear()
        self._on_empty = _nothing  # or the two would keep each other until garbage is collected

    def _send(self) -> None:
        while self._waiting and (send := self._waiting[0].send) is not None:
            send()
            if self._waiting:  # or sending it has ended the stream
                self._waiting.popleft()
        if not self._waiting:
            self._on_empty()


def _nothing() -> None:
    """Stand where somebody was told."""


class _Place:
    """One answer in the line."""

    __slots__ = ("send", "work")

    def __init__(self) -> None:
        self.send: Callable[[], object] | None = None
        """Set once it can be sent."""
        self.work: Work | None = None
