"""Every metric that the server exposes, with its name, type, labels and help text; nothing is counted here.

Numbers live in `ModelStatistics` and are read when Prometheus asks. Names and help texts of the `nv_` metrics are
Triton's; the histograms with `_seconds` are ours, in the unit that Prometheus recommends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from naiad.observe.cache_statistics import CacheStatistics, cache_families
from naiad.observe.histogram import Histogram
from naiad.observe.load import load_families
from naiad.observe.machine import CpuMeter
from naiad.observe.metrics.exposition import Family, write_page
from naiad.observe.metrics.jobs import JobNumbers, job_families
from naiad.observe.metrics.latencies import LatencyOptions
from naiad.observe.metrics.preprocessing import preprocess_families
from naiad.observe.metrics.queues import queue_families
from naiad.observe.metrics.rate_limits import LIMIT_SUMMARIES, Usage, rate_limit_families
from naiad.observe.statistics import ModelStatistics


@dataclass(frozen=True, slots=True)
class Counter:
    """A per-model counter or gauge and where its value comes from."""

    name: str
    help: str
    read: Callable[[ModelStatistics], float]
    type: str = "counter"


def _micros(stage: str) -> Callable[[ModelStatistics], float]:
    return lambda statistics: round(getattr(statistics, stage).sum * 1e6)


PER_MODEL = (
    Counter(
        "nv_inference_request_success",
        "Number of successful inference requests, all batch sizes",
        lambda statistics: statistics.success.count,
    ),
    Counter(
        "nv_inference_count",
        "Number of inferences performed (does not include cached requests)",
        lambda statistics: statistics.inference_count,
    ),
    Counter(
        "nv_inference_exec_count",
        "Number of model executions performed (does not include cached requests)",
        lambda statistics: statistics.execution_count,
    ),
    Counter(
        "nv_inference_pending_request_count",
        "Instantaneous number of pending requests awaiting execution per-model.",
        lambda statistics: statistics.count_pending(),
        "gauge",
    ),
    Counter("nv_model_load_duration_secs", "Model load time in seconds", lambda statistics: statistics.load_s, "gauge"),
)

LATENCIES = (
    Counter(
        "nv_inference_request_duration_us",
        "Cumulative inference request duration in microseconds (includes cached requests)",
        _micros("success"),
    ),
    Counter(
        "nv_inference_queue_duration_us",
        "Cumulative inference queuing duration in microseconds (includes cached requests)",
        _micros("queue"),
    ),
    Counter(
        "nv_inference_compute_input_duration_us",
        "Cumulative compute input duration in microseconds (does not include cached requests)",
        _micros("compute_input"),
    ),
    Counter(
        "nv_inference_compute_infer_duration_us",
        "Cumulative compute inference duration in microseconds (does not include cached requests)",
        _micros("compute_infer"),
    ),
    Counter(
        "nv_inference_compute_output_duration_us",
        "Cumulative inference compute output duration in microseconds (does not include cached requests)",
        _micros("compute_output"),
    ),
)
"""Where `counter_latencies` is not false."""

CACHED = (
    Counter(
        "nv_cache_num_hits_per_model",
        "Number of cache hits per model",
        lambda statistics: statistics.cache_hit.count,
    ),
    Counter(
        "nv_cache_hit_duration_per_model",
        "Total cache hit duration per model, in microseconds",
        _micros("cache_hit"),
    ),
    Counter(
        "nv_cache_num_misses_per_model",
        "Number of cache misses per model",
        lambda statistics: statistics.cache_miss.count,
    ),
    Counter(
        "nv_cache_miss_duration_per_model",
        "Total cache miss (insert+lookup) duration per model, in microseconds",
        _micros("cache_miss"),
    ),
)
"""Of models that ask for the response cache."""

FAILURES = ("nv_inference_request_failure", "Number of failed inference requests, all batch sizes")

HISTOGRAMS = {
    "success": ("naiad_request_duration_seconds", "Time from the last byte of a request to its answer"),
    "queue": ("naiad_queue_duration_seconds", "Time a request waited for an instance"),
    "compute_infer": ("naiad_compute_duration_seconds", "Time the model ran for a request"),
}

SUMMARIES = {
    "success": (
        "nv_inference_request_summary_us",
        "Summary of inference request duration in microseconds (includes cached requests)",
    ),
    "queue": (
        "nv_inference_queue_summary_us",
        "Summary of inference queuing duration in microseconds (includes cached requests)",
    ),
    "compute_input": (
        "nv_inference_compute_input_summary_us",
        "Cumulative compute input duration in microseconds (does not include cached requests)",
    ),
    "compute_infer": (
        "nv_inference_compute_infer_summary_us",
        "Cumulative compute inference duration in microseconds (does not include cached requests)",
    ),
    "compute_output": (
        "nv_inference_compute_output_summary_us",
        "Cumulative inference compute output duration in microseconds (does not include cached requests)",
    ),
}
"""Where `summary_latencies` is true; by stage. The texts are Triton's."""

CACHE_SUMMARIES = {
    "cache_hit": (
        "nv_cache_hit_summary_per_model",
        "Summary of cache hit counts/durations per model, in microseconds.",
    ),
    "cache_miss": (
        "nv_cache_miss_summary_per_model",
        "Summary of cache miss counts/durations per model, in microseconds.",
    ),
}
"""The same of models that ask for the response cache."""

FIRST_RESPONSE = (
    "nv_inference_first_response_histogram_ms",
    "Duration from request to first response in milliseconds",
)
"""Where `histogram_latencies` is true, of decoupled models."""

FIRST_RESPONSE_MS: tuple[float, ...] = (100.0, 500.0, 2000.0, 5000.0)
"""Bounds of its buckets, unless the model has its own."""

WORKERS = (
    ("naiad_worker_up", "Whether the model's worker processes can run a batch: 1, or 0", "gauge"),
    ("naiad_worker_restarts_total", "Worker processes of the model that have ended and were started again", "counter"),
)
"""Of models that run in worker processes."""

BATCH_TOKENS = (
    "naiad_batch_tokens_chosen",
    "Tokens that run together when many texts wait, chosen from measured times; 0 = each text alone",
)

BATCH_SECONDS = ("naiad_batch_seconds", "Time a run of `tokens` tokens takes")

SEQUENCES = (
    ("naiad_sequences_active", "Sequences that an instance has a place for"),
    ("naiad_sequences_waiting", "Sequences that wait until an instance has a place for them"),
)
"""Of models with `sequence_batching`."""

MACHINE = (
    ("nv_cpu_utilization", "CPU utilization rate [0.0 - 1.0]"),
    ("nv_cpu_memory_total_bytes", "CPU total memory (RAM), in bytes"),
    ("nv_cpu_memory_used_bytes", "CPU used memory (RAM), in bytes"),
)

PINNED = (
    ("nv_pinned_memory_pool_total_bytes", "Pinned memory pool total memory size, in bytes"),
    ("nv_pinned_memory_pool_used_bytes", "Pinned memory pool used memory size, in bytes"),
)
"""Always 0, as in a Triton without a GPU: it has no memory to copy from."""


class MetricsPage:
    """The text behind `:8002/metrics`."""

    def __init__(
        self,
        models: Callable[[], Iterable[ModelStatistics]],
        latencies: LatencyOptions | None = None,
        *,
        has_machine: bool = True,
        cache: CacheStatistics | None = None,
        usage: Callable[[], Iterable[Usage]] | None = None,
        custom: Callable[[], Iterable[Family]] = tuple,
        jobs: Callable[[], JobNumbers] | None = None,
    ) -> None:
        """models: gives the statistics of all loaded model versions. latencies: default: Triton's.

        has_machine: whether the machine's use of processors and memory is shown. cache: the response cache's, if there
        is one. usage: gives what is taken of the rate limiter's resources, if there is one. custom: gives the metrics
        that models have made. jobs: gives the numbers of jobs, if any are taken.
        """
        self._custom = custom
        self._jobs = jobs
        self._models = models
        self._latencies = latencies or LatencyOptions()
        self._cpu = CpuMeter() if has_machine else None
        self._cache = cache
        self._usage = usage

    def render(self) -> bytes:
        """Return the page in Prometheus text format 0.0.4."""
        return write_page(self._families(list(self._models())))

    def _families(self, models: list[ModelStatistics]) -> Iterator[Family]:
        cached = [model for model in models if model.is_cached]
        yield from _counters((*PER_MODEL, *(LATENCIES if self._latencies.counters else ())), models)
        yield from load_families(models)
        yield from _counters(CACHED, cached)
        if self._cache is not None:
            yield from cache_families(self._cache)
        failures = Family(*FAILURES, "counter")
        for model in models:
            for reason, count in model.failures.items():
                failures.add({**model.labels, "reason": reason}, count)
        yield failures
        yield from self._summaries(SUMMARIES, models)
        yield from self._summaries(CACHE_SUMMARIES, cached)
        if self._latencies.histograms:
            yield _histogram(FIRST_RESPONSE, [(model, model.first_response) for model in models])
        for stage, texts in HISTOGRAMS.items():
            yield _histogram(texts, [(model, getattr(model, stage)) for model in models])
        yield from queue_families(models, self._latencies.quantiles if self._latencies.summaries else ())
        yield from _batching(models)
        yield from _sequences(models)
        if self._usage is not None:
            yield from rate_limit_families(models, self._usage())
            yield from self._summaries(LIMIT_SUMMARIES, [one for one in models if one.count_limited is not None])
        yield from _workers(models)
        yield from preprocess_families(models)
        if self._jobs is not None:
            yield from job_families(self._jobs())
        yield from (_gauge(name, text, 0) for name, text in PINNED)
        if self._cpu is not None:
            yield from (_gauge(*texts, value) for texts, value in zip(MACHINE, self._cpu.read(), strict=True))
        yield from self._custom()

    def _summaries(self, summaries: Mapping[str, tuple[str, str]], models: list[ModelStatistics]) -> Iterator[Family]:
        if not self._latencies.summaries:
            return
        wanted = self._latencies.quantiles
        for stage, texts in summaries.items():
            family = Family(*texts, "summary")
            for model in (one for one in models if stage in one.recent):
                quantiles = zip(wanted, model.recent[stage].quantiles(wanted), strict=True)
                times = getattr(model, stage)
                family.add_summary(model.labels, quantiles, times.count, round(times.sum * 1e6))
            yield family


def _counters(rows: Iterable[Counter], models: list[ModelStatistics]) -> Iterator[Family]:
    for row in rows:
        family = Family(row.name, row.help, row.type)
        for model in models:
            family.add(model.labels, row.read(model))
        yield family


def _gauge(name: str, text: str, value: float) -> Family:
    family = Family(name, text, "gauge")
    family.add({}, value)
    return family


def _histogram(texts: tuple[str, str], histograms: Iterable[tuple[ModelStatistics, Histogram | None]]) -> Family:
    family = Family(*texts, "histogram")
    for model, histogram in histograms:
        if histogram is not None:
            family.add_histogram(model.labels, histogram.cumulative(), histogram.sum)
    return family


def _workers(models: Iterable[ModelStatistics]) -> Iterator[Family]:
    """How the worker processes do, of models that have any."""
    up, restarts = (Family(*row) for row in WORKERS)
    for model in models:
        if model.workers is not None:
            is_up, count = model.workers()
            up.add(model.labels, int(is_up))
            restarts.add(model.labels, count)
    yield from (up, restarts)


def _batching(models: Iterable[ModelStatistics]) -> Iterator[Family]:
    """What was measured and chosen, of models whose batching learns."""
    chosen, seconds = Family(*BATCH_TOKENS, "gauge"), Family(*BATCH_SECONDS, "gauge")
    for model in models:
        if model.batching is None:
            continue
        facts = model.batching()
        chosen.add(model.labels, facts["tokens_chosen"])
        for row in facts["seconds"]:
            labels = {"texts": row["texts"], "load": row["load"], "tokens": str(row["tokens"])}
            seconds.add({**model.labels, **labels}, row["seconds"])
    yield from (chosen, seconds)


def _sequences(models: Iterable[ModelStatistics]) -> Iterator[Family]:
    families = [Family(*texts, "gauge") for texts in SEQUENCES]
    for model in models:
        if model.count_sequences is not None:
            for family, count in zip(families, model.count_sequences(), strict=True):
                family.add(model.labels, count)
    yield from families
