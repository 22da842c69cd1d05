"""The deadlines of many calls, by one timer.

Calls come and go by the thousand a second and hardly any expires, so neither adding nor forgetting one may cost much:
they lie in buckets of a few milliseconds, and the timer is that of the earliest bucket. A deadline is noticed up to one
bucket late, never early. One that is far off is looked at again each minute, so that the buckets are bounded too.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Protocol

from naiad.core.clock import Clock

_BUCKETS_PER_S = 200
_FAR_S = 60.0


class Expiring(Protocol):
    """Something with a deadline."""

    deadline_s: float | None
    bucket: dict[Expiring, None] | None
    """Set by Deadlines; a call that is over takes itself out."""

    def expire(self) -> None:
        """Its time is over."""


class Deadlines:
    """The deadlines of one listener's calls."""

    def __init__(self, now: Clock, call_later: Callable[[float, Callable[[], None]], Any]) -> None:
        """call_later: of the event loop; takes seconds."""
        self._now = now
        self._call_later = call_later
        self._buckets: dict[int, dict[Expiring, None]] = {}
        self._order: list[int] = []
        """Heap of the buckets' numbers."""
        self._timer: Any = None
        self._timer_bucket = 0

    def add(self, call: Expiring) -> None:
        """Watch a call that has a deadline."""
        assert call.deadline_s is not None, "only calls with a deadline are watched"
        number = int(min(call.deadline_s, self._now() + _FAR_S) * _BUCKETS_PER_S) + 1
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = {}
            heapq.heappush(self._order, number)
            if self._timer is None or number < self._timer_bucket:
                self._set_timer()
        bucket[call] = None
        call.bucket = bucket

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        self.close()
        if self._order:
            self._timer_bucket = self._order[0]
            delay_s = self._timer_bucket / _BUCKETS_PER_S - self._now()
            self._timer = self._call_later(max(delay_s, 0.0), self._ring)

    def _ring(self) -> None:
        self._timer = None
        while self._order and self._order[0] / _BUCKETS_PER_S <= self._now():
            for call in list(self._buckets.pop(heapq.heappop(self._order))):
                if call.deadline_s is not None and call.deadline_s > self._now():
                    self.add(call)
                else:
                    call.expire()
        if self._timer is None:
            self._set_timer()
