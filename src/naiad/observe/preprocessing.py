"""What the code in front of models takes, as metrics: those of endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from naiad.observe.exposition import Family
from naiad.observe.statistics import ModelStatistics

WORKERS = ("naiad_preprocess_workers", "Worker processes that run the endpoint's hooks")
UNDER_WAY = ("naiad_preprocess_requests_under_way", "Requests that the endpoint has taken and not answered")
STARVED = (
    "naiad_preprocess_starved_ratio",
    "Share of the last minute in which the model waited for the endpoint's hooks, of the time with requests under way",
)
WAITED = (
    "naiad_preprocess_starved_seconds_total",
    "Time the model waited for the endpoint's hooks, with requests under way",
)
ACTIVE = ("naiad_preprocess_active_seconds_total", "Time with requests of the endpoint under way")
HOOKS = ("naiad_preprocess_hook_seconds_total", "Time in the hooks of the endpoint, with what they waited for")
HELD = ("naiad_preprocess_held_seconds_total", "Time that requests held a worker of the endpoint")


def preprocess_families(models: Iterable[ModelStatistics]) -> Iterator[Family]:
    """Give the metrics of endpoints."""
    workers, under_way, starved = (Family(*texts, "gauge") for texts in (WORKERS, UNDER_WAY, STARVED))
    waited, active, hooks, held = (Family(*texts, "counter") for texts in (WAITED, ACTIVE, HOOKS, HELD))
    for model in models:
        if model.preprocess is None:
            continue
        times = model.preprocess()
        workers.add(model.labels, times.workers)
        under_way.add(model.labels, times.under_way)
        active.add(model.labels, times.active_s)
        held.add(model.labels, times.held_s)
        for hook, seconds in times.hooks_s.items():
            hooks.add({**model.labels, "hook": hook}, seconds)
        if model.starved is not None:
            starved.add(model.labels, model.starved())
            waited.add(model.labels, times.waited_s)
    yield from (workers, under_way, starved, waited, active, hooks, held)
