"""What the code in front of models takes, as metrics: those of endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from naiad.observe.metrics.exposition import Family
from naiad.observe.statistics import ModelStatistics

METRICS = (
    ("naiad_preprocess_workers", "Worker processes that run the hooks", "gauge"),
    ("naiad_preprocess_requests_under_way", "Requests that were taken and are not answered yet", "gauge"),
    (
        "naiad_preprocess_starved_ratio",
        "Share of the last minute's time with requests in which the model waited for the hooks",
        "gauge",
    ),
    (
        "naiad_preprocess_starved_seconds_total",
        "Time in which the model waited for the hooks while requests were under way",
        "counter",
    ),
    ("naiad_preprocess_active_seconds_total", "Time in which requests were under way", "counter"),
    ("naiad_preprocess_hook_seconds_total", "Time in each hook, with what it waited for", "counter"),
    ("naiad_preprocess_held_seconds_total", "Time for which requests held a worker", "counter"),
)
"""Of endpoints; those about waiting where there is a model to wait."""


def preprocess_families(models: Iterable[ModelStatistics]) -> Iterator[Family]:
    """Give the metrics of endpoints."""
    families = [Family(*row) for row in METRICS]
    workers, under_way, starved, waited, active, hooks, held = families
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
    yield from families
