"""Threads that do long work in shares and let each other go first in between, so that no work holds up all others.

Who hands out the work goes through a `Turnstile` with it; whoever does the work, far below, calls `pause` after each
share and need not know whether anybody is waiting.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from naiad.core.errors import Cancelled


class Turnstile:
    """Lets so many threads through at a time; those that wait come in the order in which they came."""

    def __init__(self, at_once: int = 1) -> None:
        self._lock = threading.Lock()
        self._free = at_once
        self._line: deque[threading.Lock] = deque()
        """A locked gate for each thread that waits."""

    @contextmanager
    def passed(self, is_wanted: Callable[[], bool]) -> Iterator[None]:
        """Wait for a turn, and do the work inside. is_wanted: asked from time to time whether it still is."""
        self._wait_behind()
        _work.turnstile, _work.is_wanted = self, is_wanted
        try:
            yield
        finally:
            _work.turnstile = _work.is_wanted = None
            with self._lock:
                self._let_next()

    def pause(self) -> None:
        """Go behind those that wait; at once further if there are none."""
        with self._lock:
            if not self._line:
                return
            self._let_next()
        self._wait_behind()

    def _wait_behind(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            gate = threading.Lock()
            gate.acquire()
            self._line.append(gate)
        gate.acquire()

    def _let_next(self) -> None:
        """Pass the turn on, with the lock held."""
        if self._line:
            self._line.popleft().release()
        else:
            self._free += 1


class _Work(threading.local):
    """What this thread does in turns, if anything."""

    turnstile: Turnstile | None = None
    is_wanted: Callable[[], bool] | None = None


_work = _Work()


def pause() -> None:
    """Let others go first, in work that takes turns; elsewhere nothing. Raises Cancelled if nobody wants the rest."""
    turnstile, is_wanted = _work.turnstile, _work.is_wanted
    if turnstile is None:
        return
    if is_wanted is not None and not is_wanted():
        raise Cancelled("the request was cancelled")
    turnstile.pause()
