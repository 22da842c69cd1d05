"""Requests that wait for an instance: bounded, by priority, first in first out inside a level, with time limits.

Knows nothing of batches or threads. Every item leaves exactly once: taken, removed by its owner, or expired. A level is
there while somebody waits in it, so any number of levels may be configured. `turns.py` is the other queue.
"""

from __future__ import annotations

import heapq
import sys
from bisect import insort
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice

from naiad.core.errors import Overloaded
from naiad.core.model.config import QueuePolicy
from naiad.scheduling.contract import Job

SPARE_PLACES = 64
"""Places kept of jobs that have left from the middle, besides as many as there are of jobs that wait."""

SPARE_DEADLINES = 64
"""Deadlines kept of jobs that have left, besides as many as there are of jobs that wait."""


class _Level:
    """The jobs of one priority level."""

    __slots__ = ("delayed", "policy", "waiting")

    def __init__(self, policy: QueuePolicy) -> None:
        self.policy = policy
        self.waiting: dict[Job, None] = {}
        self.delayed: dict[Job, None] = {}
        """Their time was over, and the policy says to run them behind the others of their level."""

    @property
    def length(self) -> int:
        return len(self.waiting) + len(self.delayed)


class JobQueue:
    """Waiting jobs of one scheduler; see `Queue`."""

    def __init__(
        self,
        policy: QueuePolicy | None = None,
        levels: int = 0,
        default_level: int = 0,
        level_policies: Mapping[int, QueuePolicy] | None = None,
        *,
        most: int = 0,
    ) -> None:
        """levels: priority levels, 1 = highest; 0 = one queue for all. most: jobs over all levels; 0 = no bound."""
        self._most = most or sys.maxsize
        self._last_level = max(1, levels)
        self._default_level = default_level if levels else 1
        self._policy = policy or QueuePolicy()
        self._policies = dict(level_policies or {}) if levels else {}
        policies = (self._policy, *self._policies.values())
        self.has_time_limits = any(policy.default_timeout_s for policy in policies)
        self._levels: dict[int, _Level] = {}
        self._order: list[int] = []
        """The levels in which somebody waits, ascending."""
        self._deadlines: list[tuple[float, int, Job]] = []
        self._number = 0
        self.may_run_ahead = self._last_level == 1 and self._policies.get(1, self._policy) == QueuePolicy()
        self._only_line: deque[Job] | None = deque() if self.may_run_ahead else None
        """The one line of a queue without levels, bounds of theirs and time limits, which most are. A deque, since a
        dict from whose front many have left is slow to look into; who has left from its middle has level 0."""
        self.length = 0

    def add(self, job: Job, now: float, priority: int = 0, timeout_us: int = 0) -> None:
        """Put a job at the end of its level. Raises Overloaded when the level, or the whole queue, is full."""
        if self.length >= self._most:
            raise Overloaded("Exceeds maximum queue size", queue_size=self._most)
        if self._only_line is not None:
            job.queued_s = now
            job.level = 1
            self._only_line.append(job)
            self.length += 1
            return
        number = priority if 1 <= priority <= self._last_level else self._default_level
        level = self._levels.get(number)
        policy = self._policies.get(number, self._policy) if level is None else level.policy
        if level is None:
            level = self._levels[number] = _Level(policy)
            insort(self._order, number)
        elif policy.max_queue_size and level.length >= policy.max_queue_size:
            raise Overloaded("Exceeds maximum queue size", queue_size=policy.max_queue_size)
        job.queued_s = now
        job.level = number
        level.waiting[job] = None
        self.length += 1
        limit_s = policy.default_timeout_s
        if policy.allows_timeout_override and 0 < timeout_us / 1e6 < limit_s:
            limit_s = timeout_us / 1e6
        if limit_s:
            job.deadline_s = now + limit_s
            self._note_deadline(job.deadline_s, job)

    def remove(self, job: Job) -> bool:
        """Take one job out, wherever it stands; False when it is not (any longer) here."""
        if self._only_line is not None:
            if job.level != 1:
                return False
            self.take((job,))
            return True
        level = self._levels.get(job.level)
        line = {} if level is None else level.delayed if job.is_delayed else level.waiting
        if level is None or job not in line:
            return False
        del line[job]
        self.length -= 1
        if not level.length:
            del self._levels[job.level]
            self._order.remove(job.level)
        return True

    def take(self, jobs: Sequence[Job]) -> None:
        """Take out jobs that `front` has just shown."""
        if self._only_line is None:
            for job in jobs:
                self.remove(job)
            return
        line = self._only_line
        if self.length == 1:  # as for most requests of a quick model
            line.clear()
            jobs[0].level = self.length = 0
            return
        for job in jobs:
            job.level = 0
        self.length -= len(jobs)
        while line and not line[0].level:
            line.popleft()
        if len(line) > 2 * self.length + SPARE_PLACES:
            self._only_line = deque(job for job in line if job.level)

    def front(self, most: int) -> list[Job]:
        """The next jobs in the order in which they would run: by level, in each by arrival, delayed ones behind."""
        if self._only_line is not None:
            if len(self._only_line) == self.length:
                return list(islice(self._only_line, most))
            return list(islice((job for job in self._only_line if job.level), most))
        jobs: list[Job] = []
        for number in self._order:
            level = self._levels[number]
            for line in (level.waiting, level.delayed):
                jobs += islice(line, most - len(jobs))
            if len(jobs) == most:
                break
        return jobs

    def by_level(self) -> dict[int, int]:
        """How many jobs wait in each level in which somebody does."""
        if self._only_line is not None:
            return {1: self.length} if self.length else {}
        return {number: self._levels[number].length for number in self._order}

    def expire(self, now: float) -> list[Job]:
        """Take out the jobs whose time is over; those of a delaying policy stay, behind the others of their level."""
        expired: list[Job] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            job = heapq.heappop(self._deadlines)[2]
            if not self._is_in_time(job):
                continue
            level = self._levels[job.level]
            if level.policy.delays_on_timeout:
                del level.waiting[job]
                job.is_delayed = True
                level.delayed[job] = None
            else:
                self.remove(job)
                expired.append(job)
        return expired

    @property
    def next_deadline_s(self) -> float | None:
        """When `expire` should be called next; may be early, never late."""
        while self._deadlines and not self._is_in_time(self._deadlines[0][2]):
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def _is_in_time(self, job: Job) -> bool:
        """Whether a job waits, and its time was not over when last looked at."""
        level = self._levels.get(job.level)
        return level is not None and job in level.waiting

    def _note_deadline(self, deadline_s: float, job: Job) -> None:
        """Remember a deadline, and forget those of jobs that have left: each keeps its request in memory."""
        self._number += 1
        heapq.heappush(self._deadlines, (deadline_s, self._number, job))
        if len(self._deadlines) > 2 * self.length + SPARE_DEADLINES:
            self._deadlines = [entry for entry in self._deadlines if self._is_in_time(entry[2])]
            heapq.heapify(self._deadlines)
