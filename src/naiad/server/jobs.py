"""The jobs of a server, put together as its settings say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.core.settings.config import ServerSettings
from naiad.jobs.callbacks.allowed import Allowed
from naiad.jobs.callbacks.telling import Telling
from naiad.jobs.job import ModelJobs
from naiad.jobs.keeper import Jobs
from naiad.jobs.redis.server import SCHEMES
from naiad.jobs.redis.store import RedisStore
from naiad.jobs.runner import Runner
from naiad.jobs.sqlite.store import SqliteStore
from naiad.jobs.store import Bounds, JobStore
from naiad.observe.metrics.jobs import JobNumbers, JobStatistics
from naiad.serving.engine import Engine
from naiad.wire.http.door import job_runner_of
from naiad.wire.waiting import Waiting


def make_jobs(settings: ServerSettings, engine: Engine, waiting: Waiting) -> Jobs | None:
    """Make what keeps and runs jobs; None where none are taken. Raises InvalidConfiguration."""
    jobs = settings.jobs
    if not jobs.place:
        return None
    bounds = Bounds(jobs.max_count, jobs.max_size, jobs.max_wait_s, jobs.result_ttl_s, jobs.attempts, jobs.lease_s)
    store = _store(jobs.place, bounds)
    runner: Runner = job_runner_of(settings, engine, waiting)
    telling = Telling(store, Allowed(jobs.callback_hosts), jobs.callback_key)
    tick_s = min(1.0, jobs.lease_s / 4)
    return Jobs(store, runner, telling, at_once=jobs.at_once, lists=jobs.listing, tick_s=tick_s)


def _store(place: str, bounds: Bounds) -> JobStore:
    scheme, found, _ = place.partition("://")
    if not found:
        return SqliteStore(Path(place), bounds)
    if scheme not in SCHEMES:
        raise InvalidConfiguration(f"--jobs {scheme}://…: there are folders, redis:// and rediss:// (with TLS)")
    return RedisStore(place, bounds)


def statistics_of(jobs: Jobs, model: str) -> dict[str, Any]:
    """Return what the statistics of a model say of its jobs."""
    now = jobs.totals.models.get(model, ModelJobs())
    done = jobs.statistics.get(model, JobStatistics())
    return {"waiting": now.waiting, "running": now.running, **done.as_json()}


def numbers_of(jobs: Jobs) -> JobNumbers:
    """Return what there is to show of jobs."""
    models = jobs.totals.models
    return JobNumbers(
        kept=jobs.totals.count,
        size=jobs.totals.size,
        waiting={name: one.waiting for name, one in models.items()},
        running={name: one.running for name, one in models.items()},
        oldest_s={name: one.oldest_s for name, one in models.items()},
        models=jobs.statistics,
        told=jobs.telling.told,
        failed=jobs.telling.failed,
    )
