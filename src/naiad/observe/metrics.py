"""Every metric that the server exposes, with its name, type, labels and help text; nothing is counted here.

Numbers live in `ModelStatistics` and are read when Prometheus asks. Names and help texts of the `nv_` metrics are
Triton's; the histograms with `_seconds` are ours, in the unit that Prometheus recommends.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from naiad.observe.histogram import Histogram
from naiad.observe.statistics import ModelStatistics

if TYPE_CHECKING:
    from prometheus_client.core import Metric


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
        "nv_inference_request_duration_us",
        "Cumulative inference request duration in microseconds (includes cached requests)",
        lambda statistics: round((statistics.success.sum + statistics.fail.sum) * 1e6),
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
    Counter(
        "nv_inference_pending_request_count",
        "Instantaneous number of pending requests awaiting execution per-model.",
        lambda statistics: statistics.count_pending(),
        "gauge",
    ),
    Counter("nv_model_load_duration_secs", "Model load time in seconds", lambda statistics: statistics.load_s, "gauge"),
)

FAILURES = ("nv_inference_request_failure", "Number of failed inference requests, all batch sizes")

HISTOGRAMS = {
    "success": ("naiad_request_duration_seconds", "Time from the last byte of a request to its answer"),
    "queue": ("naiad_queue_duration_seconds", "Time a request waited for an instance"),
    "compute_infer": ("naiad_compute_duration_seconds", "Time the model ran for a request"),
}

BATCH_TOKENS = (
    "naiad_batch_tokens_chosen",
    "Tokens that run together when many texts wait, chosen from measured times; 0 = each text alone",
)

BATCH_SECONDS = ("naiad_batch_seconds", "Time a run of `tokens` tokens takes")

PROCESS = (
    ("nv_cpu_utilization", "CPU utilization rate [0.0 - 1.0]"),
    ("nv_cpu_memory_total_bytes", "CPU total memory (RAM), in bytes"),
    ("nv_cpu_memory_used_bytes", "CPU used memory (RAM), in bytes"),
)


_TOTAL = re.compile(rb"# (HELP|TYPE) (nv_\w+)_total ")


class MetricsPage:
    """The text behind `:8002/metrics`."""

    def __init__(self, models: Callable[[], Iterable[ModelStatistics]]) -> None:
        """models: gives the statistics of all loaded model versions."""
        from prometheus_client import CollectorRegistry

        self._models = models
        self._cpu = CpuMeter()
        self.registry = CollectorRegistry(auto_describe=False)
        """Add collectors of your own here."""
        self.registry.register(self)

    def render(self) -> bytes:
        """Return the page in Prometheus text format 0.0.4."""
        from prometheus_client import generate_latest

        # The library appends _total to every counter's name in HELP and TYPE; Triton's names have none.
        return _TOTAL.sub(rb"# \1 \2 ", generate_latest(self.registry))

    def collect(self) -> Iterator[Metric]:
        """Give every metric family, as prometheus_client's collector contract wants."""
        from prometheus_client.core import HistogramMetricFamily, Metric

        models = list(self._models())
        for row in PER_MODEL:
            family = Metric(row.name, row.help, row.type)
            for model in models:
                family.add_sample(row.name, _labels(model), row.read(model))
            yield family
        failures = Metric(*FAILURES, "counter")
        for model in models:
            for reason, count in model.failures.items():
                failures.add_sample(FAILURES[0], {**_labels(model), "reason": reason}, count)
        yield failures
        for stage, (name, text) in HISTOGRAMS.items():
            family = HistogramMetricFamily(name, text, labels=("model", "version"))
            for model in models:
                histogram: Histogram = getattr(model, stage)
                family.add_metric((model.model, model.version), histogram.cumulative(), histogram.sum)
            yield family
        yield from _batching(models)
        for (name, text), value in zip(PROCESS, self._cpu.read(), strict=True):
            family = Metric(name, text, "gauge")
            family.add_sample(name, {}, value)
            yield family


def _batching(models: Iterable[ModelStatistics]) -> Iterator[Metric]:
    """What was measured and chosen, of models whose batching learns."""
    from prometheus_client.core import Metric

    chosen, seconds = Metric(*BATCH_TOKENS, "gauge"), Metric(*BATCH_SECONDS, "gauge")
    for model in models:
        if model.batching is None:
            continue
        facts = model.batching()
        chosen.add_sample(BATCH_TOKENS[0], _labels(model), facts["tokens_chosen"])
        for row in facts["seconds"]:
            labels = {"texts": row["texts"], "load": row["load"], "tokens": str(row["tokens"])}
            seconds.add_sample(BATCH_SECONDS[0], {**_labels(model), **labels}, row["seconds"])
    yield from (chosen, seconds)


def _labels(model: ModelStatistics) -> dict[str, str]:
    return {"model": model.model, "version": model.version}


class CpuMeter:
    """Machine-wide processor and memory use, from /proc; zeros where there is no /proc."""

    def __init__(self) -> None:
        self._busy, self._all = self._times()

    def read(self) -> tuple[float, float, float]:
        """(utilisation since the last call 0..1, total bytes, used bytes)."""
        busy, everything = self._times()
        spent, passed = busy - self._busy, everything - self._all
        self._busy, self._all = busy, everything
        total, available = self._memory()
        return (spent / passed if passed else 0.0), total, total - available

    @staticmethod
    def _times() -> tuple[float, float]:
        try:
            fields = [float(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        except OSError:
            return 0.0, 0.0
        idle = fields[3] + fields[4]
        return sum(fields) - idle, sum(fields)

    @staticmethod
    def _memory() -> tuple[float, float]:
        page = os.sysconf("SC_PAGE_SIZE")
        total = float(page * os.sysconf("SC_PHYS_PAGES"))
        try:
            lines = Path("/proc/meminfo").read_text().splitlines()
        except OSError:
            return total, total
        values = {line.split(":")[0]: float(line.split()[1]) * 1024 for line in lines}
        return total, values.get("MemAvailable", total)
