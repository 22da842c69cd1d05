"""Requests of several jobs that take turns, so that a large one does not hold up those that come after it.

Service goes in rounds. In each, a request gets as many of its jobs done as fill a share; what comes new joins the next
round. So a small request waits for a share of each of the others and not for the whole of them, and every request that
waits advances in each round, however many come. Jobs of one request keep their order. Requests of one job are served
first come, first served.

A request may take at most three times the room that it leaves, so that others always find some.

The rounds of a job are settled when it comes, so that what is asked again and again, who is next, costs nothing.
"""

from __future__ import annotations

import sys
from bisect import bisect_left, insort
from collections.abc import Sequence
from itertools import chain, islice

from naiad.core.errors import Overloaded
from naiad.scheduling.contract import Job

SHARE_TOKENS = 256
"""What one request gets done in a round: some eight usual texts, of a small model on two cores 15 ms of work."""

LEAST_TOKENS = 32
"""What a job counts at least: a run of a few tokens takes hardly less time than one of so many."""

LARGEST_PART = 3
"""How many times the room that it leaves a request may take."""


class Turns:
    """How far one request has got in the rounds; its jobs share it."""

    __slots__ = ("round", "tokens", "waiting")

    def __init__(self) -> None:
        self.round = 0
        """Of its next job."""
        self.tokens = 0
        """Of its jobs in that round already; what goes beyond a share counts in the rounds after it."""
        self.waiting = 0
        """Its jobs that wait."""


class TurnQueue:
    """Waiting jobs of one scheduler, served in turns by `Job.turns`; see `Queue`."""

    may_run_ahead = True
    has_time_limits = False
    next_deadline_s = None

    def __init__(self, *, most: int = 0, share: int = SHARE_TOKENS, least: int = LEAST_TOKENS) -> None:
        """most: jobs that may wait; 0 = no bound. share: of the jobs' sizes. least: what a job counts at least."""
        self._most = most or sys.maxsize
        self._share, self._least = share, least
        self._served = 0
        """The round of the job that was taken last."""
        self._rounds: dict[int, dict[Job, None]] = {}
        self._order: list[int] = []
        """Rounds that somebody waits for, ascending."""
        self.length = 0

    def add(self, job: Job, now: float, priority: int = 0, timeout_us: int = 0) -> None:  # noqa: ARG002 - Queue's
        """Let a job wait for its turn. Raises Overloaded when the queue is full, or its request has its part of it."""
        if self.length >= self._most:
            raise Overloaded("Exceeds maximum queue size", queue_size=self._most)
        number, turns = self._served + 1, job.turns
        if turns is not None:
            if turns.waiting >= LARGEST_PART * (self._most - self.length - 1):
                raise Overloaded("Exceeds maximum queue size", queue_size=self._most)
            turns.waiting += 1
            if turns.round < number:
                turns.round, turns.tokens = number, 0
            number = turns.round
            rounds, turns.tokens = divmod(turns.tokens + max(job.size, self._least), self._share)
            turns.round += rounds
        line = self._rounds.get(number)
        if line is None:
            line = self._rounds[number] = {}
            insort(self._order, number)
        job.queued_s = now
        job.level = number
        line[job] = None
        self.length += 1

    def remove(self, job: Job) -> bool:
        """Take one job out; False when it is not (any longer) here."""
        if job not in self._rounds.get(job.level, ()):
            return False
        served = self._served
        self.take((job,))
        self._served = served  # who leaves unserved does not move the rounds on
        return True

    def take(self, jobs: Sequence[Job]) -> None:
        """Take out jobs that `front` has just shown."""
        self._served = max(self._served, jobs[0].level)
        self.length -= len(jobs)
        for job in jobs:
            line = self._rounds[job.level]
            del line[job]
            if job.turns is not None:
                job.turns.waiting -= 1
            if not line:
                del self._rounds[job.level]
                del self._order[bisect_left(self._order, job.level)]

    def front(self, most: int) -> list[Job]:
        """The next jobs in the order in which they would run if no more came."""
        return list(islice(chain.from_iterable(map(self._rounds.__getitem__, self._order)), most))

    def by_level(self) -> dict[int, int]:
        """How many jobs wait for each round."""
        return {number: len(line) for number, line in self._rounds.items()}

    def expire(self, now: float) -> list[Job]:  # noqa: ARG002 - Queue's
        """Nothing: there are no time limits."""
        return []
