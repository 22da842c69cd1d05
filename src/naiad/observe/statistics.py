"""What happened to the requests of one model version: the numbers behind /stats and /metrics.

Names and meanings are Triton's statistics extension: `inference_count` counts rows, `execution_count` model runs,
`success` requests. All times are seconds inside; nanoseconds exist only in the JSON.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from naiad.observe.histogram import FOLD_AFTER, Histogram
from naiad.observe.recent import RecentTimes
from naiad.observe.starvation import PreprocessTimes

LATENCY_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MOST_PRIORITIES = 32
"""Levels that are told apart in metrics; there may be 2^64, and clients choose among them."""
FAILURE_REASONS = ("REJECTED", "CANCELED", "BACKEND", "OTHER")


def told_apart(priority: int) -> int:
    """Return the level under which a priority is counted; 0 for all beyond MOST_PRIORITIES."""
    return priority if priority <= MOST_PRIORITIES else 0


@dataclass(slots=True)
class Duration:
    """How often something happened and how long it took together."""

    count: int = 0
    sum: float = 0.0
    """Seconds."""

    def add(self, seconds: float) -> None:
        """Count one more."""
        self.count += 1
        self.sum += seconds


@dataclass(slots=True)
class BatchStatistics:
    """Executions of one batch size, and the seconds that they took together."""

    count: int = 0
    compute_input: float = 0.0
    compute_infer: float = 0.0
    compute_output: float = 0.0


@dataclass(slots=True)
class ResponseStatistics:
    """The n-th responses of a decoupled model's requests."""

    compute_infer: Duration = field(default_factory=Duration)
    """Since the response before, or since the request was taken up, until the model had this one."""
    compute_output: Duration = field(default_factory=Duration)
    """Until it was handed to the door."""
    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    empty_response: Duration = field(default_factory=Duration)
    """There was none: the request ended here."""
    cancel: Duration = field(default_factory=Duration)
    """The request was withdrawn here."""


@dataclass(slots=True)
class StepTimes:
    """The runs of one step of an ensemble."""

    model: str
    runs: Duration = field(default_factory=Duration)
    """From when each was handed to its model to its last answer."""
    waits: Duration = field(default_factory=Duration)
    """Before that, of those that had to wait: `max_inflight_requests` of the step were under way."""


RESPONSE_FIELDS = ("compute_infer", "compute_output", "success", "fail", "empty_response", "cancel")


class ModelStatistics:
    """Counters of one model version. Written on the event loop's thread only."""

    def __init__(self, model: str, version: str) -> None:
        self.model = model
        self.version = version
        self.labels = {"model": model, "version": version}
        """Of its metrics."""
        self.last_inference_ms = 0
        """Milliseconds since the epoch; 0 = never."""
        self.inference_count = 0
        self.execution_count = 0
        self.count_pending: Callable[[], int] = lambda: 0
        """Requests that wait for an instance right now; set by the model."""
        self.count_running: Callable[[], int] = lambda: 0
        """Requests that instances have in hand right now; set by the model, but not by ensembles, whose parts do."""
        self.workers: Callable[[], tuple[bool, int]] | None = None
        """Whether its worker processes can run a batch, and how many were started again; None: it has none."""
        self.count_by_priority: Callable[[], Mapping[int, int]] | None = None
        """Requests that wait right now, by priority level; set by models that have several."""
        self.queue_by_priority: dict[int, Histogram] = {}
        """The same times as `queue`, by priority level, of models that have several; 0: of all levels beyond
        MOST_PRIORITIES."""
        self.count_sequences: Callable[[], tuple[int, int]] | None = None
        """Sequences that an instance has, and those that wait for one; set by models of sequences."""
        self.batching: Callable[[], dict[str, Any]] | None = None
        """What runs cost and what was chosen from it; set by models whose batching learns that."""
        self.tally: Callable[[], Any] | None = None
        """What the model's scheduler has decided, as its `Tally`; set by the model."""
        self.preprocess: Callable[[], PreprocessTimes] | None = None
        """What the code of an endpoint took, and how long its model waited for it; set by endpoints."""
        self.starved: Callable[[], float] | None = None
        """Which share of the last minute the model waited; set by endpoints in front of one."""
        self.steps: list[StepTimes] = []
        """Set by ensembles."""
        self.count_held: Callable[[], list[int]] = list
        """By step, runs that wait for others of it right now; set by ensembles."""
        self.success = Histogram(LATENCY_BOUNDS_S)
        self.fail = Duration()
        self.queue = Histogram(LATENCY_BOUNDS_S)
        self.compute_input = Duration()
        self.compute_infer = Histogram(LATENCY_BOUNDS_S)
        self.compute_output = Duration()
        self.is_cached = False
        """The model asks for the response cache, whether or not there is one."""
        self.cache_hit = Duration()
        self.cache_miss = Duration()
        self.batches: dict[int, BatchStatistics] = {}
        self.responses: dict[int, ResponseStatistics] = {}
        """By number of the response in its request, from 0; decoupled models only."""
        self.failures = dict.fromkeys(FAILURE_REASONS, 0)
        self.load_s = 0.0
        self.count_limited: Callable[[], int] | None = None
        """Executions that wait for resources right now; set by models whose rate is limited."""
        self.limit = Histogram(LATENCY_BOUNDS_S)
        """How long executions waited for their resources."""
        self.recent: dict[str, RecentTimes] = {}
        """By stage, for the quantiles of summaries; filled where these are wanted."""
        self.recent_by_priority: dict[int, RecentTimes] = {}
        """The same of `queue_by_priority`."""
        self.first_response: Histogram | None = None
        """Milliseconds until the first response; of decoupled models, where it is wanted."""

    def record_answer(self, total_s: float, queue_s: float, rows: int) -> None:
        """Count one answered request; its compute times are counted with its batch, by `record_compute`."""
        self.inference_count += rows
        success = self.success.noted
        success.append(total_s)
        self.queue.noted.append(queue_s)
        if len(success) >= FOLD_AFTER:
            self.success.fold()
            self.queue.fold()

    def record_compute(self, requests: int, compute_input: float, compute_infer: float, compute_output: float) -> None:
        """Count the compute times of that many answered requests, which ran in one batch."""
        before, after = self.compute_input, self.compute_output
        before.count += requests
        before.sum += compute_input * requests
        if requests == 1:
            noted = self.compute_infer.noted
            noted.append(compute_infer)
            if len(noted) >= FOLD_AFTER:
                self.compute_infer.fold()
        else:
            self.compute_infer.observe_times(compute_infer, requests)
        after.count += requests
        after.sum += compute_output * requests

    def record_run(self, rows: int, compute_input: float, compute_infer: float, compute_output: float) -> None:
        """Count one execution of the model on `rows` batch elements."""
        self.execution_count += 1
        self.last_inference_ms = int(time.time() * 1000)
        batch = self.batches.get(rows)
        if batch is None:
            batch = self.batches[rows] = BatchStatistics()
        batch.count += 1
        batch.compute_input += compute_input
        batch.compute_infer += compute_infer
        batch.compute_output += compute_output

    def record_response(self, index: int, outcome: str, infer_s: float, output_s: float = 0.0) -> None:
        """Count the response of that number; outcome: success, fail, empty_response or cancel (Triton's names)."""
        row = self.responses.get(index)
        if row is None:
            row = self.responses[index] = ResponseStatistics()
        getattr(row, outcome).add(infer_s + output_s)
        if outcome != "cancel":
            row.compute_infer.add(infer_s)
        if outcome in ("success", "fail"):
            row.compute_output.add(output_s)

    def record_hit(self, seconds: float) -> None:
        """Count one request that was answered from the cache; seconds: how long looking it up took."""
        self.cache_hit.add(seconds)

    def record_miss(self, seconds: float) -> None:
        """Count one request whose answer was not in the cache; seconds: looking it up and keeping it."""
        self.cache_miss.add(seconds)

    def record_queue(self, priority: int, seconds: float) -> None:
        """Count how long an answered request of a priority level waited for an instance."""
        priority = told_apart(priority)
        histogram = self.queue_by_priority.get(priority)
        if histogram is None:
            histogram = self.queue_by_priority[priority] = Histogram(LATENCY_BOUNDS_S)
        histogram.observe(seconds)

    def record_limit(self, seconds: float) -> None:
        """Count one execution that got the resources it waited for."""
        self.limit.observe(seconds)

    def record_failure(self, reason: str, total_s: float) -> None:
        """Count one failed request; reason is one of FAILURE_REASONS."""
        self.fail.add(total_s)
        self.failures[reason] += 1

    def as_json(self) -> dict[str, Any]:
        """One entry of `model_stats`. What begins with `naiad_` is not in Triton's extension, nor in gRPC."""
        stages = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit")
        return {
            "name": self.model,
            "version": self.version,
            "last_inference": self.last_inference_ms,
            "inference_count": self.inference_count,
            "execution_count": self.execution_count,
            "inference_stats": {stage: count_and_ns(getattr(self, stage)) for stage in (*stages, "cache_miss")},
            "response_stats": {
                str(index): {name: count_and_ns(getattr(row, name)) for name in RESPONSE_FIELDS}
                for index, row in sorted(self.responses.items())
            },
            "batch_stats": [
                {
                    "batch_size": rows,
                    "compute_input": {"count": batch.count, "ns": round(batch.compute_input * 1e9)},
                    "compute_infer": {"count": batch.count, "ns": round(batch.compute_infer * 1e9)},
                    "compute_output": {"count": batch.count, "ns": round(batch.compute_output * 1e9)},
                }
                for rows, batch in sorted(self.batches.items())
            ],
            "memory_usage": [],
            **({} if self.batching is None else {"naiad_batching": self.batching()}),
            **({} if self.count_by_priority is None else {"naiad_queues": self._queues(self.count_by_priority())}),
            **({} if self.count_limited is None else {"naiad_rate_limit": self._limited(self.count_limited())}),
            **({"naiad_steps": self._steps()} if self.steps else {}),
            **({} if self.count_sequences is None else {"naiad_sequences": _sequences(*self.count_sequences())}),
        }

    def _queues(self, waiting: Mapping[int, int]) -> list[dict[str, Any]]:
        """By priority, the most urgent first; all levels that are not told apart are the last, as 0."""
        now: Counter[int] = Counter()
        for level, count in waiting.items():
            now[told_apart(level)] += count
        levels = sorted({*now, *self.queue_by_priority}, key=lambda level: level or MOST_PRIORITIES + 1)
        return [
            {
                "priority": level,
                "pending": now[level],
                "queue": count_and_ns(self.queue_by_priority.get(level, Duration())),
            }
            for level in levels
        ]

    def _limited(self, waiting: int) -> dict[str, Any]:
        return {"pending": waiting, "wait": count_and_ns(self.limit)}

    def _steps(self) -> list[dict[str, Any]]:
        return [
            {
                "step": number,
                "model": step.model,
                "run": count_and_ns(step.runs),
                "wait": count_and_ns(step.waits),
                "pending": pending,
            }
            for number, (step, pending) in enumerate(zip(self.steps, self.count_held(), strict=True))
        ]


def _sequences(active: int, waiting: int) -> dict[str, int]:
    return {"active": active, "waiting": waiting}


def count_and_ns(duration: Duration | Histogram) -> dict[str, int]:
    """As the statistics extension writes it."""
    return {"count": duration.count, "ns": round(duration.sum * 1e9)}
