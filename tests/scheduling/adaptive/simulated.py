"""A simulated service: one model, its clients, and a clock that jumps from event to event."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from statistics import mean
from typing import Any

from naiad.scheduling.adaptive.batching import AdaptiveBatching
from naiad.scheduling.contract import Execution, Job
from naiad.scheduling.decision import Policy, Situation, WaitUntil

Seconds = Callable[[int], float]
"""What a run takes, by its rows."""


def affine(least_ms: float, row_ms: float) -> Seconds:
    return lambda rows: (least_ms + row_ms * rows) / 1000


@dataclass
class Served:
    """What became of the requests."""

    latencies: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    """Seconds that an instance was idle while somebody waited, once for each run."""
    ended_s: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.ended_s

    @property
    def mean_s(self) -> float:
        return mean(self.latencies)


class Service:
    """`instances` instances that run batches of up to `most` rows."""

    def __init__(
        self,
        policy: Policy,
        seconds: Seconds,
        *,
        most: int = 8,
        instances: int = 1,
        jitter: float = 0.0,
        begin_s: float = 0.0,
    ) -> None:
        """jitter: how much longer a run takes at most, as a share. begin_s: what the clock shows at first."""
        self._policy, self._seconds, self._most, self._instances = policy, seconds, most, instances
        self._learner = policy if isinstance(policy, AdaptiveBatching) else None
        self._now = begin_s
        self._events: list[tuple[float, int, str, Any]] = []
        self._order = count()
        self._waiting: list[Job] = []
        self._running = 0
        self._under_way = 0
        self._free_s = 0.0
        self._chance = random.Random(5)  # noqa: S311
        self._jitter = jitter
        self.served = Served()

    def closed(self, clients: int, think: Callable[[random.Random], float], requests: int = 2000) -> Served:
        """Clients that ask again a moment after they are answered."""
        self._again: Callable[[], float] | None = lambda: think(self._chance)
        self._left = requests - clients
        for _ in range(clients):
            self._after(think(self._chance), "ask", None)
        return self._run()

    def open(self, arrivals: Iterator[float]) -> Served:
        """Requests that come at these times, whatever becomes of the others."""
        self._again = None
        for at in arrivals:
            heapq.heappush(self._events, (at, next(self._order), "ask", None))
        return self._run()

    def _run(self) -> Served:
        while self._events:
            self._now, _, event, what = heapq.heappop(self._events)
            if event == "ask":
                job = Job(None, 1, lambda *_: None)
                job.queued_s = self._now
                self._waiting.append(job)
                self._note()
            elif event == "answer":
                self._answer(what)
            self._start()
        assert not self._waiting
        self.served.ended_s = self._now
        return self.served

    def _answer(self, run: Execution) -> None:
        if self._running == self._instances:
            self._free_s = self._now
        self._running -= 1
        self._under_way -= len(run.jobs)
        run.finished_s, run.successes = self._now, len(run.jobs)
        if self._learner is not None:
            self._learner.ran(run)
        self._note()
        for job in run.jobs:
            self.served.latencies.append(self._now - job.queued_s)
            if self._again is not None and self._left:
                self._left -= 1
                self._after(self._again(), "ask", None)

    def _start(self) -> None:
        while self._waiting and self._running < self._instances:
            window = self._waiting[: max(64, self._most)]
            idle = self._instances - self._running
            decision = self._policy(Situation(window, self._now, idle, free_s=self._free_s))
            if isinstance(decision, WaitUntil):
                assert decision.time_s > self._now
                self._after(decision.time_s - self._now, "look", None)
                return
            jobs = [window[index] for index in decision.picks]
            began_s = max(self._free_s, min(job.queued_s for job in window))
            self.served.waits.append(self._now - began_s)
            self._waiting = self._waiting[len(jobs) :]
            self._running += 1
            self._under_way += len(jobs)
            run = Execution(jobs)
            run.started_s = self._now
            self.served.sizes.append(run.size)
            seconds = self._seconds(run.size) * (1 + self._jitter * self._chance.random())
            self._after(seconds, "answer", run)

    def _note(self) -> None:
        if self._learner is not None:
            self._learner.note(len(self._waiting) + self._under_way, self._now)

    def _after(self, seconds: float, event: str, what: Any) -> None:
        heapq.heappush(self._events, (self._now + seconds, next(self._order), event, what))
