"""Requests that wait for an instance: bounded, by priority, first in first out inside a level, with time limits.

Knows nothing of batches or threads. Every item leaves exactly once: taken, removed by its owner, or expired.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Sequence
from itertools import islice
from typing import Any

from naiad.core.contracts import Batch
from naiad.core.errors import Overloaded
from naiad.core.model_config import QueuePolicy

Done = Callable[["Job", Any, bool], None]


class Job:
    """One waiting item and who is to hear of it. Slots and no dataclass: one is made for every request."""

    __slots__ = (
        "deadline_s",
        "done",
        "execution",
        "is_delayed",
        "item",
        "level",
        "owner",
        "queued_s",
        "shape_key",
        "size",
    )

    def __init__(self, item: Any, size: int, done: Done, shape_key: Hashable = None) -> None:
        self.item = item
        """What the instance takes."""
        self.size = size
        """Rows or tokens."""
        self.done = done
        """Called on the loop's thread with this job, a result or NaiadError, and whether it is the last.

        Once, with True, by plain instances; nothing comes after the last."""
        self.shape_key = shape_key
        """Jobs with different keys never share a batch."""
        self.owner: Any = None
        """For the caller's own use."""
        self.queued_s = 0.0
        """By the queue."""
        self.deadline_s: float | None = None
        """By the queue, from its policy and the wish passed to `add`."""
        self.level = 0
        """By the queue."""
        self.is_delayed = False
        """By the queue: its time was over and the policy says to run it after all others."""
        self.execution: Execution | None = None
        """By the scheduler, when an instance took it up."""


class Execution(Batch[Any]):
    """A batch that an instance has taken up, with the jobs it was made from; what Triton's `execution_count` counts."""

    __slots__ = ("finished_s", "jobs", "size", "started_s", "successes")

    def __init__(self, jobs: Sequence[Job], started_s: float) -> None:
        super().__init__([job.item for job in jobs])
        self.jobs = jobs
        self.size = sum(job.size for job in jobs)
        """Rows or tokens of all items."""
        self.started_s = started_s
        """By the scheduler, when it was handed to an instance."""
        self.finished_s = 0.0
        """By the runner, when the results were there."""
        self.successes = 0
        """By the scheduler: how many items have a result and no error."""

    @property
    def stages(self) -> tuple[float, float, float]:
        """Seconds of gathering inputs, running the model, splitting outputs; once the model has run."""
        return (
            self.input_ready_s - self.started_s,
            self.output_ready_s - self.input_ready_s,
            self.finished_s - self.output_ready_s,
        )


class JobQueue:
    """Waiting jobs of one scheduler."""

    def __init__(
        self,
        policy: QueuePolicy | None = None,
        levels: int = 0,
        default_level: int = 0,
        level_policies: dict[int, QueuePolicy] | None = None,
    ) -> None:
        """levels: number of priority levels, 1 = highest; 0 = one queue for all."""
        self._levels = max(1, levels)
        self._default_level = default_level if levels else 1
        default = policy or QueuePolicy()
        self._policies = {level: (level_policies or {}).get(level, default) for level in range(1, self._levels + 1)}
        self._waiting: dict[int, dict[Job, None]] = {level: {} for level in range(1, self._levels + 1)}
        self._delayed: dict[Job, None] = {}
        self._deadlines: list[tuple[float, int, Job]] = []
        self._order = 0
        self._only_line = self._waiting[1] if self._levels == 1 and default == QueuePolicy() else None
        """The one line of a queue without levels, bounds and time limits, which most are."""
        self.length = 0
        """Jobs waiting, over all levels."""

    def add(self, job: Job, now: float, priority: int = 0, timeout_us: int = 0) -> None:
        """Put a job at the end of its level. Raises Overloaded when the level is full."""
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
