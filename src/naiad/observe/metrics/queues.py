"""What waits and what runs together, as metrics: queues by priority, executions by the size of their batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from naiad.observe.measured import ROWS
from naiad.observe.metrics.exposition import Family
from naiad.observe.statistics import MOST_PRIORITIES, ModelStatistics

BATCH_SIZE = ("naiad_batch_size", "Batch elements of an execution")
BATCH_SUMMARY = ("naiad_batch_size_summary", "Summary of batch elements of an execution")
BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

WAITING = ("naiad_priority_pending_count", "Requests that wait for an instance, by priority")
WAITED = ("naiad_priority_queue_duration_seconds", "Time a request waited for an instance, by priority")
SUMMARY = (
    "naiad_priority_queue_summary_us",
    "Summary of the time a request waited for an instance in microseconds, by priority",
)

OTHERS = f"{MOST_PRIORITIES + 1}+"
"""The label of all levels that are not told apart."""


def queue_families(models: Iterable[ModelStatistics], quantiles: Sequence[float] = ()) -> Iterator[Family]:
    """Give the metrics of all models; those by priority of models that have several levels.

    quantiles: of summaries; none: no summaries.
    """
    summary = Family(*SUMMARY, "summary")
    sizes, rows_summary = Family(*BATCH_SIZE, "histogram"), Family(*BATCH_SUMMARY, "summary")
    waiting, waited = Family(*WAITING, "gauge"), Family(*WAITED, "histogram")
    for model in models:
        counts = {rows: batch.count for rows, batch in model.batches.items()}
        total = sum(rows * count for rows, count in counts.items())
        sizes.add_histogram(model.labels, _cumulative(counts), total)
        if quantiles and ROWS in model.recent:
            found = model.recent[ROWS].quantiles(quantiles)
            rows_summary.add_summary(model.labels, zip(quantiles, found, strict=True), sum(counts.values()), total)
        if model.count_by_priority is None:
            continue
        now: Counter[str] = Counter()
        for level, count in model.count_by_priority().items():
            now[_label(level)] += count
        for label in sorted({*now, *map(_label, model.queue_by_priority)}):
            waiting.add({**model.labels, "priority": label}, now[label])
        for level, histogram in sorted(model.queue_by_priority.items()):
            labels = {**model.labels, "priority": _label(level)}
            waited.add_histogram(labels, histogram.cumulative(), histogram.sum)
            if quantiles and level in model.recent_by_priority:
                found = model.recent_by_priority[level].quantiles(quantiles)
                rows = zip(quantiles, found, strict=True)
                summary.add_summary(labels, rows, histogram.count, round(histogram.sum * 1e6))
    yield from (sizes, waiting, waited, *([rows_summary, summary] if quantiles else ()))


def _label(level: int) -> str:
    return str(level) if 1 <= level <= MOST_PRIORITIES else OTHERS


def _cumulative(counts: Mapping[int, int]) -> list[tuple[float, int]]:
    """How many executions there were up to each bound."""
    bounds = (*map(float, BATCH_BOUNDS), float("inf"))
    return [(bound, sum(count for rows, count in counts.items() if rows <= bound)) for bound in bounds]
