"""Jobs as metrics, where the server takes any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from naiad.observe.exposition import Family

JOBS = ("naiad_jobs", "Jobs that wait or run, by state; shared ones of all servers", "gauge")
OLDEST = ("naiad_jobs_oldest_seconds", "How long the oldest job that waits has waited", "gauge")
KEPT = ("naiad_jobs_kept", "Jobs that are kept, over or not; of all models", "gauge")
BYTES = ("naiad_jobs_bytes", "Bytes of the requests and results that are kept, of all models", "gauge")
ENDED = (
    "naiad_jobs_ended_total",
    "Jobs that came to an end on this server, by state: done, failed, cancelled",
    "counter",
)
CALLBACKS = ("naiad_job_callbacks_total", "Callbacks of jobs, by result: told, failed (each try counts)", "counter")
ALL = (JOBS, OLDEST, KEPT, BYTES, ENDED, CALLBACKS)
"""In their order: name, text, type."""


@dataclass(frozen=True, slots=True)
class JobNumbers:
    """What there is to show."""

    kept: int = 0
    size: int = 0
    waiting: Mapping[str, int] = field(default_factory=dict)
    """By model, as those below."""
    running: Mapping[str, int] = field(default_factory=dict)
    oldest_s: Mapping[str, float] = field(default_factory=dict)
    ended: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By model and state."""
    told: int = 0
    failed: int = 0


def job_families(numbers: JobNumbers) -> Iterator[Family]:
    """Give the metrics of jobs."""
    now, oldest, ended = Family(*JOBS), Family(*OLDEST), Family(*ENDED)
    for state, counts in (("waiting", numbers.waiting), ("running", numbers.running)):
        for model, count in counts.items():
            now.add({"model": model, "state": state}, count)
    for model, seconds in numbers.oldest_s.items():
        oldest.add({"model": model}, seconds)
    for (model, state), count in numbers.ended.items():
        ended.add({"model": model, "state": state}, count)
    kept, size, callbacks = Family(*KEPT), Family(*BYTES), Family(*CALLBACKS)
    kept.add({}, numbers.kept)
    size.add({}, numbers.size)
    callbacks.add({"result": "told"}, numbers.told)
    callbacks.add({"result": "failed"}, numbers.failed)
    yield from (now, oldest, kept, size, ended, callbacks)
