"""Stores of both kinds for tests, and what is put into them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from naiad.jobs.job import INFER, Claim, JobRequest, JobResult, JobState, Outcome
from naiad.jobs.redis.store import RedisStore
from naiad.jobs.sqlite.store import SqliteStore
from naiad.jobs.store import Bounds, JobStore

BOUNDS: dict[str, Any] = {
    "max_count": 100,
    "max_size": 100_000,
    "max_wait_s": 60.0,
    "result_ttl_s": 60.0,
    "attempts": 3,
    "lease_s": 60.0,
}


def make(place: str, **bounds: Any) -> JobStore:
    """A store that is not open yet; several of one place see the same jobs."""
    chosen = Bounds(**{**BOUNDS, **bounds})
    return RedisStore(place, chosen) if place.startswith("redis") else SqliteStore(Path(place), chosen)


def request(body: bytes = b"{}", model: str = "m", **fields: Any) -> JobRequest:
    return JobRequest(model, fields.pop("version", ""), INFER, body, **fields)


def done(body: bytes = b"answer", responses: int = 0) -> Outcome:
    return Outcome(JobState.DONE, JobResult("application/json", body, "3"), responses=responses)


async def claim_one(store: JobStore, model: str = "m") -> Claim:
    (claim,) = await store.claim({model: 1})
    return claim
