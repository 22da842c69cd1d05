"""What keeps jobs: `sqlite/store.py` for one server, `redis/store.py` for several. Both promise the same.

What a call has returned from is durable: it survives the server. Every call raises Overloaded or NotReady, with the
reason and the fix, where the place cannot do it now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from naiad.jobs.job import Claim, Job, JobRequest, JobResult, Notice, Outcome, Totals


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a store keeps to."""

    max_count: int
    max_size: int
    max_wait_s: float
    result_ttl_s: float
    attempts: int
    lease_s: float


class JobRecords(Protocol):
    """What clients see."""

    async def add(self, request: JobRequest) -> Job:
        """Keep a new job (`is_new`); returns the earlier one of the same idempotency key.

        Raises Overloaded where there is no room, AlreadyExists for a key that another request had.
        """
        ...

    async def read(self, job_id: str) -> Job | None:
        """Return a job; None: there is none, or it is forgotten."""
        ...

    async def read_result(self, job_id: str) -> JobResult | None:
        """Return the result of a job that is done."""
        ...

    async def cancel(self, job_id: str) -> Job | None:
        """Cancel a job that is not over, forget one that is; returns it as it was just before."""
        ...

    async def list(self, model: str, state: str, limit: int) -> Sequence[Job]:
        """Return the newest jobs; model, state empty: any."""
        ...


class JobQueue(Protocol):
    """What the server that runs jobs needs."""

    async def claim(self, room: Mapping[str, int]) -> Sequence[Claim]:
        """Take the jobs that have waited longest: of each model as many as it has room for."""
        ...

    async def release(self, claim: Claim, delay_s: float) -> None:
        """Give a job back: it waits again, and this run does not count."""
        ...

    async def finish(self, claim: Claim, outcome: Outcome) -> bool:
        """Note what came of a run; returns whether it was still this server's."""
        ...

    async def renew(self, progress: Mapping[str, tuple[int, int]]) -> Sequence[str]:
        """Say which jobs this server still runs: ID → attempt, answers so far. Returns those that it has lost."""
        ...

    async def tend(self) -> Sequence[str]:
        """Do what time brings: fail what has waited too long, forget what is old, take over what was left behind.

        Returns the IDs of jobs that have come to an end by that.
        """
        ...


class JobNotices(Protocol):
    """Callbacks, which are kept with their jobs."""

    async def due(self, limit: int) -> Sequence[Notice]:
        """Take callbacks whose time has come; each is due again later, unless it is `told` or was the last try."""
        ...

    async def told(self, job_id: str) -> None:
        """Note that a callback has arrived."""
        ...


class JobStore(JobRecords, JobQueue, JobNotices, Protocol):
    """All of it."""

    is_shared: bool
    """Other servers may change it."""

    async def open(self) -> None:
        """Begin. Raises InvalidConfiguration for a place that cannot be used."""
        ...

    async def totals(self) -> Totals:
        """Return what there is."""
        ...

    async def close(self) -> None:
        """End; running jobs are left as they are."""
        ...


CALLBACK_DELAYS_S = (2.0, 10.0, 60.0, 300.0, 1800.0)
"""How long after each try of a callback that failed the next one is due."""

CALLBACK_TRIES = len(CALLBACK_DELAYS_S) + 1
