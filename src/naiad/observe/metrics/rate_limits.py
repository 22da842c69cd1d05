"""What the rate limiter holds back, as metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from naiad.observe.metrics.exposition import Family
from naiad.observe.statistics import ModelStatistics

WAITING = ("naiad_rate_limit_pending_count", "Executions that wait for the resources of the rate limiter")
WAITED = ("naiad_rate_limit_duration_seconds", "Time an execution waited for the resources of the rate limiter")
TOTAL = ("naiad_rate_limit_resource_total", "How many of a resource there are")
USED = ("naiad_rate_limit_resource_used", "How many of a resource are taken by executions that run")

LIMIT_SUMMARIES = {
    "limit": (
        "naiad_rate_limit_summary_us",
        "Summary of the time an execution waited for the resources of the rate limiter in microseconds",
    )
}
"""Where `summary_latencies` is true."""


class Usage(Protocol):
    """What there is of a resource, and what of it is taken."""

    @property
    def device(self) -> str:
        """Its number, or "global"."""
        ...

    @property
    def name(self) -> str:
        """The resource's."""
        ...

    @property
    def total(self) -> int:
        """How many there are."""
        ...

    @property
    def used(self) -> int:
        """How many are taken."""
        ...


def rate_limit_families(models: Iterable[ModelStatistics], usage: Iterable[Usage]) -> Iterator[Family]:
    """Give the metrics of models whose rate is limited, and of the resources."""
    waiting, waited = Family(*WAITING, "gauge"), Family(*WAITED, "histogram")
    for model in models:
        if model.count_limited is not None:
            waiting.add(model.labels, model.count_limited())
            waited.add_histogram(model.labels, model.limit.cumulative(), model.limit.sum)
    total, used = Family(*TOTAL, "gauge"), Family(*USED, "gauge")
    for row in usage:
        labels = {"device": row.device, "resource": row.name}
        total.add(labels, row.total)
        used.add(labels, row.used)
    yield from (waiting, waited, total, used)
