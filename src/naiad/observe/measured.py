"""Statistics that summaries and histograms need besides the usual ones.

A class of its own, made for a model only where the operator asks for them, because it costs every request something
(some 3 µs); the usual one knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from naiad.core.clock import Clock, monotonic
from naiad.observe.histogram import Histogram
from naiad.observe.recent import RecentTimes
from naiad.observe.statistics import ModelStatistics, told_apart

STAGES = ("success", "queue", "compute_input", "compute_infer", "compute_output")
"""Stages of a request that have a summary."""

CACHE_STAGES = ("cache_hit", "cache_miss")
"""The same of models that ask for the response cache."""


ROWS = "rows"
"""Batch elements of executions, each counted as a microsecond."""

LIMIT_STAGE = "limit"
"""The same of executions that wait for resources, where rates are limited."""


class MeasuredStatistics(ModelStatistics):
    """The counters of one model version, and the times of its last minute."""

    def __init__(
        self,
        model: str,
        version: str,
        *,
        has_summaries: bool,
        first_response_ms: Sequence[float] = (),
        clock: Clock = monotonic,
    ) -> None:
        """first_response_ms: bounds of the buckets for the first response, ascending; empty: it is not wanted."""
        super().__init__(model, version)
        if has_summaries:
            self.recent = {stage: RecentTimes(clock) for stage in (*STAGES, *CACHE_STAGES, LIMIT_STAGE, ROWS)}
        self._clock = clock
        if first_response_ms:
            self.first_response = Histogram(first_response_ms)

    def record_answer(self, total_s: float, queue_s: float, rows: int) -> None:
        """See `ModelStatistics.record_answer`."""
        super().record_answer(total_s, queue_s, rows)
        if self.recent:
            self.recent["success"].observe(total_s)
            self.recent["queue"].observe(queue_s)

    def record_compute(self, requests: int, compute_input: float, compute_infer: float, compute_output: float) -> None:
        """See `ModelStatistics.record_compute`."""
        super().record_compute(requests, compute_input, compute_infer, compute_output)
        if self.recent:
            for stage, seconds in zip(STAGES[2:], (compute_input, compute_infer, compute_output), strict=True):
                self.recent[stage].observe(seconds, requests)

    def record_run(self, rows: int, compute_input: float, compute_infer: float, compute_output: float) -> None:
        """See `ModelStatistics.record_run`."""
        super().record_run(rows, compute_input, compute_infer, compute_output)
        if self.recent:
            self.recent[ROWS].observe((rows + 0.5) * 1e-6)

    def record_queue(self, priority: int, seconds: float) -> None:
        """See `ModelStatistics.record_queue`."""
        super().record_queue(priority, seconds)
        if self.recent:
            priority = told_apart(priority)
            recent = self.recent_by_priority.get(priority)
            if recent is None:
                recent = self.recent_by_priority[priority] = RecentTimes(self._clock)
            recent.observe(seconds)

    def record_limit(self, seconds: float) -> None:
        """See `ModelStatistics.record_limit`."""
        super().record_limit(seconds)
        if self.recent:
            self.recent[LIMIT_STAGE].observe(seconds)

    def record_hit(self, seconds: float) -> None:
        """See `ModelStatistics.record_hit`."""
        super().record_hit(seconds)
        if self.recent:
            self.recent["cache_hit"].observe(seconds)

    def record_miss(self, seconds: float) -> None:
        """See `ModelStatistics.record_miss`."""
        super().record_miss(seconds)
        if self.recent:
            self.recent["cache_miss"].observe(seconds)

    def record_response(self, index: int, outcome: str, infer_s: float, output_s: float = 0.0) -> None:
        """See `ModelStatistics.record_response`."""
        super().record_response(index, outcome, infer_s, output_s)
        if self.first_response is not None and index == 0 and outcome in ("success", "fail"):
            self.first_response.observe(infer_s * 1000)
