"""Requests that wait for an instance: bounded, by priority, first in first out inside a level, with time limits.

Knows nothing of batches or threads. Every item leaves exactly once: taken, removed by its owner, or expired.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Mapping, Sequence
from itertools import islice

from naiad.core.errors import Overloaded
from naiad.core.model_config import QueuePolicy
from naiad.scheduling.contract import Job


class JobQueue:
    """Waiting jobs of one scheduler."""

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
        self._levels = max(1, levels)
        self._default_level = default_level if levels else 1
        default = policy or QueuePolicy()
        self._policies = {level: (level_policies or {}).get(level, default) for level in range(1, self._levels + 1)}
        self.has_time_limits = any(policy.default_timeout_s for policy in self._policies.values())
        """Whether any job may expire; else `expire` and `next_deadline_s` need not be asked."""
        self._waiting: dict[int, dict[Job, None]] = {level: {} for level in range(1, self._levels + 1)}
        self._delayed: dict[Job, None] = {}
        self._deadlines: list[tuple[float, int, Job]] = []
        self._order = 0
        self._only_line = self._waiting[1] if self._levels == 1 and default == QueuePolicy() else None
        """The one line of a queue without levels, bounds of theirs and time limits, which most are."""
        self.length = 0
        """Jobs waiting, over all levels."""

    def add(self, job: Job, now: float, priority: int = 0, timeout_us: int = 0) -> None:
        """Put a job at the end of its level. Raises Overloaded when the level, or the whole queue, is full."""
        if self.length >= self._most:
            raise Overloaded("Exceeds maximum queue size", queue_size=self._most)
        if self._only_line is not None:
            job.queued_s = now
            job.level = 1
            self._only_line[job] = None
            self.length += 1
            return
        level = priority if 1 <= priority <= self._levels else self._default_level
        policy = self._policies[level]
        line = self._waiting[level]
        if policy.max_queue_size and len(line) >= policy.max_queue_size:
            raise Overloaded("Exceeds maximum queue size", queue_size=policy.max_queue_size)
        job.queued_s = now
        job.level = level
        limit_s = policy.default_timeout_s
        if policy.allows_timeout_override and 0 < timeout_us / 1e6 < limit_s:
            limit_s = timeout_us / 1e6
        if limit_s:
            job.deadline_s = now + limit_s
            self._order += 1
            heapq.heappush(self._deadlines, (job.deadline_s, self._order, job))
        line[job] = None
        self.length += 1

    def remove(self, job: Job) -> bool:
        """Take one job out, wherever it stands; False when it is not (any longer) here."""
        line = self._delayed if job.is_delayed else self._waiting.get(job.level, {})
        if job not in line:
            return False
        del line[job]
        self.length -= 1
        return True

    def take(self, jobs: Sequence[Job]) -> None:
        """Take out jobs that `front` has just shown."""
        if self._only_line is None:
            for job in jobs:
                self.remove(job)
            return
        for job in jobs:
            del self._only_line[job]
        self.length -= len(jobs)

    def front(self, most: int) -> list[Job]:
        """The next jobs in the order in which they would run: by level, then by arrival, delayed ones last."""
        if self._only_line is not None:
            return list(islice(self._only_line, most))
        jobs: list[Job] = []
        for line in (*self._waiting.values(), self._delayed):
            for job in line:
                if len(jobs) == most:
                    return jobs
                jobs.append(job)
        return jobs

    def expire(self, now: float) -> list[Job]:
        """Take out the jobs whose time is over; those of a delaying policy stay, behind all others."""
        expired: list[Job] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            job = heapq.heappop(self._deadlines)[2]
            if job not in self._waiting[job.level]:
                continue
            self.remove(job)
            if self._policies[job.level].delays_on_timeout:
                job.is_delayed = True
                self._delayed[job] = None
                self.length += 1
            else:
                expired.append(job)
        return expired

    @property
    def next_deadline_s(self) -> float | None:
        """When `expire` should be called next; may be early, never late."""
        while self._deadlines and self._deadlines[0][2] not in self._waiting[self._deadlines[0][2].level]:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None
