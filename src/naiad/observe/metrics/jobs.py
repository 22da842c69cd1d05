"""Jobs as metrics, where the server takes any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from naiad.observe.histogram import Histogram
from naiad.observe.metrics.exposition import Family
from naiad.observe.statistics import count_and_ns

JOBS = ("naiad_jobs", "Jobs that wait or run, by state; shared ones of all servers", "gauge")
OLDEST = ("naiad_jobs_oldest_seconds", "How long the oldest job that waits has waited", "gauge")
KEPT = ("naiad_jobs_kept", "Jobs that are kept, over or not; of all models", "gauge")
BYTES = ("naiad_jobs_bytes", "Bytes of the requests and results that are kept, of all models", "gauge")
ACCEPTED = ("naiad_jobs_accepted_total", "Jobs that this server has accepted", "counter")
ENDED = (
    "naiad_jobs_ended_total",
    "Jobs that came to an end on this server, by state: done, failed, cancelled",
    "counter",
)
WAIT = ("naiad_job_wait_seconds", "From a job's acceptance to its last run, of jobs that ran to their end", "histogram")
RUN = ("naiad_job_run_seconds", "How long a job's last run took, of jobs that ran to their end", "histogram")
CALLBACKS = ("naiad_job_callbacks_total", "Callbacks of jobs, by result: told, failed (each try counts)", "counter")
ALL = (JOBS, OLDEST, KEPT, BYTES, ACCEPTED, ENDED, WAIT, RUN, CALLBACKS)
"""In their order: name, text, type."""

_BOUNDS_S = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 21600.0)
_ENDS = ("done", "failed", "cancelled")


@dataclass(slots=True)
class JobStatistics:
    """What a server has done with the jobs of one model since it started."""

    accepted: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    """By state."""
    wait: Histogram = field(default_factory=lambda: Histogram(_BOUNDS_S))
    run: Histogram = field(default_factory=lambda: Histogram(_BOUNDS_S))

    def record_end(self, state: str, wait_s: float, run_s: float) -> None:
        """Count a job that ran to its end."""
        self.ended[state] += 1
        self.wait.observe(wait_s)
        self.run.observe(run_s)

    def as_json(self) -> dict[str, Any]:
        """Its part of a model's statistics."""
        ended = {state: self.ended[state] for state in _ENDS}
        return {"accepted": self.accepted, **ended, "wait": count_and_ns(self.wait), "run": count_and_ns(self.run)}


@dataclass(frozen=True, slots=True)
class JobNumbers:
    """What there is to show."""

    kept: int = 0
    size: int = 0
    waiting: Mapping[str, int] = field(default_factory=dict)
    """By model, as those below."""
    running: Mapping[str, int] = field(default_factory=dict)
    oldest_s: Mapping[str, float] = field(default_factory=dict)
    models: Mapping[str, JobStatistics] = field(default_factory=dict)
    told: int = 0
    failed: int = 0


def job_families(numbers: JobNumbers) -> Iterator[Family]:
    """Give the metrics of jobs."""
    now, oldest, accepted, ended, wait, run = (Family(*one) for one in (JOBS, OLDEST, ACCEPTED, ENDED, WAIT, RUN))
    for state, counts in (("waiting", numbers.waiting), ("running", numbers.running)):
        for model, count in counts.items():
            now.add({"model": model, "state": state}, count)
    for model, seconds in numbers.oldest_s.items():
        oldest.add({"model": model}, seconds)
    for model, statistics in numbers.models.items():
        accepted.add({"model": model}, statistics.accepted)
        for state in _ENDS:
            ended.add({"model": model, "state": state}, statistics.ended[state])
        wait.add_histogram({"model": model}, statistics.wait.cumulative(), statistics.wait.sum)
        run.add_histogram({"model": model}, statistics.run.cumulative(), statistics.run.sum)
    kept, size, callbacks = Family(*KEPT), Family(*BYTES), Family(*CALLBACKS)
    kept.add({}, numbers.kept)
    size.add({}, numbers.size)
    callbacks.add({"result": "told"}, numbers.told)
    callbacks.add({"result": "failed"}, numbers.failed)
    yield from (now, oldest, kept, size, accepted, ended, wait, run, callbacks)
