"""Back-pressure on the answers of one request: who makes them runs no further ahead than who takes them allows.

The taker counts on the event loop's thread; the maker waits in its own. Most requests have none: their answers go out
as they come.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Flow:
    """How many of a request's answers, the last one apart, have been taken up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._came = 0
        """Answers that have come to the taker."""
        self._taken = 0
        """Of these, those behind which another may come."""
        self._is_over = False
        self._waiting: list[tuple[int, Callable[[], object]]] = []

    def came(self) -> None:
        """Note an answer; whoever made it is held back until `go_on`. Loop's thread."""
        self._came += 1

    def go_on(self) -> None:
        """Let whoever makes the answers go on behind all that have come. Loop's thread."""
        if self._taken < self._came:
            self._let(self._came)

    def end(self) -> None:
        """Hold nobody back any more: there are no more answers, or nobody wants them. From any thread."""
        self._is_over = True
        self._let(self._came)

    def when(self, number: int, call: Callable[[], object]) -> None:
        """Call, now or later and then on the loop's thread, once that many answers have been taken up, or it is over.

        From any thread; `call` must not block.
        """
        with self._lock:
            if self._taken < number and not self._is_over:
                self._waiting.append((number, call))
                return
        call()

    def wait(self, number: int) -> None:
        """Block until that many answers have been taken up, or it is over; never on the loop's thread."""
        taken = threading.Event()
        self.when(number, taken.set)
        taken.wait()

    def _let(self, taken: int) -> None:
        with self._lock:
            self._taken = max(self._taken, taken)
            due = [call for number, call in self._waiting if self._is_over or number <= self._taken]
            self._waiting = [one for one in self._waiting if not self._is_over and one[0] > self._taken]
        for call in due:
            call()
