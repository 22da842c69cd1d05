"""Whether a model waits for the code in front of it: what an endpoint's requests did, second by second.

A request of an endpoint is either in its code (it waits for a worker, or a hook runs) or in its model. Time is counted
by what was under way: nothing; requests, but fewer in the model than it can run at a time, so that it waited for the
others; or enough in the model. Where the model has room for k and n are with it, a second counts as (k - n) / k waited
if any others are in the code. Whether the model served somebody else meanwhile is not looked at.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from naiad.core.clock import Clock, monotonic

WINDOW_S = 60.0
"""What the gauge looks back on."""

_STEP_S = 1.0


@dataclass(frozen=True, slots=True)
class PreprocessTimes:
    """What was counted up to one moment. All but the first three are sums since the start."""

    model: str
    """What the endpoint's requests run on; empty: its own workers, and nothing can be starved."""
    workers: int
    under_way: int
    active_s: float
    """Something was under way."""
    waited_s: float
    """Of these, the model waited."""
    requests: int = 0
    held_s: float = 0.0
    """Requests held the threads of their workers."""
    processor_s: float = 0.0
    """Of these, the hooks used a processor."""
    hooks_s: Mapping[str, float] = field(default_factory=dict)
    """By hook, with what it waited for."""


class Starvation:
    """Counts; any thread may tell it something."""

    def __init__(self, model: str, workers: int, room: int = 1, clock: Clock = monotonic) -> None:
        """model: see PreprocessTimes. room: requests that it can run at the same time."""
        self.room = room
        self._model = model
        self._workers = workers
        self._clock = clock
        self._lock = threading.Lock()
        self._at_s = clock()
        self._under_way = 0
        self._in_model = 0
        self._active_s = self._waited_s = 0.0
        self._requests = 0
        self._held_s = self._processor_s = 0.0
        self._hooks_s: dict[str, float] = {}
        self._past: deque[tuple[float, float, float]] = deque([(self._at_s, 0.0, 0.0)])

    def came(self) -> None:
        """Note a new request."""
        with self._lock:
            self._pass()
            self._under_way += 1

    def went(self) -> None:
        """Note that a request has had its answer."""
        with self._lock:
            self._pass()
            self._under_way -= 1

    def entered(self) -> None:
        """Note that a request has gone on to the model."""
        with self._lock:
            self._pass()
            self._in_model += 1

    def left(self) -> None:
        """Note that the model has answered it."""
        with self._lock:
            self._pass()
            self._in_model -= 1

    def ran(self, held_s: float, processor_s: float, hooks_s: Mapping[str, float]) -> None:
        """Note what the hooks of one request took."""
        with self._lock:
            self._requests += 1
            self._held_s += held_s
            self._processor_s += processor_s
            for hook, seconds in hooks_s.items():
                self._hooks_s[hook] = self._hooks_s.get(hook, 0.0) + seconds

    def times(self) -> PreprocessTimes:
        """Return the sums."""
        with self._lock:
            self._pass()
            return PreprocessTimes(
                self._model,
                self._workers,
                self._under_way,
                self._active_s,
                self._waited_s,
                self._requests,
                self._held_s,
                self._processor_s,
                dict(self._hooks_s),
            )

    def share(self) -> float:
        """Return which share of the last WINDOW_S the model waited, of the time in which requests were under way."""
        with self._lock:
            self._pass()
            _, active_s, waited_s = self._past[0]
            active_s, waited_s = self._active_s - active_s, self._waited_s - waited_s
        return waited_s / active_s if active_s > 0 else 0.0

    def _pass(self) -> None:
        """Count the time up to now; with the lock held."""
        now = self._clock()
        passed, self._at_s = now - self._at_s, now
        if self._under_way > 0:
            self._active_s += passed
            if self._model and self._under_way > self._in_model:
                self._waited_s += passed * max(0, self.room - self._in_model) / self.room
        past = self._past
        if now - past[-1][0] >= _STEP_S:
            past.append((now, self._active_s, self._waited_s))
            while len(past) > 1 and past[1][0] <= now - WINDOW_S:
                past.popleft()
