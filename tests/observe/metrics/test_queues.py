"""Queues by priority and executions by the size of their batch, as they stand on the metrics page."""

from __future__ import annotations

import asyncio
import re

import numpy as np

from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import DynamicBatching, ModelConfig, TensorConfig
from naiad.core.tensor import Tensor
from naiad.observe.measured import MeasuredStatistics
from naiad.observe.metrics.exposition import write_page
from naiad.observe.metrics.latencies import LatencyOptions
from naiad.observe.metrics.page import MetricsPage
from naiad.observe.metrics.queues import queue_families
from naiad.observe.statistics import MOST_PRIORITIES, ModelStatistics
from naiad.testing import FakeInstance, ManualClock, engine


def page(*models: ModelStatistics) -> str:
    return write_page(queue_families(models)).decode()


def values(text: str, name: str) -> dict[str, float]:
    """By `priority`, or else by `le`, of the one model."""
    found = re.findall(rf'^{name}\{{.*?(?:priority|le)="([^"]+)".*\}} (\S+)$', text, re.MULTILINE)
    return {label: float(value) for label, value in found}


def test_executions_by_the_size_of_their_batch() -> None:
    subject = ModelStatistics("m", "1")
    for rows in (1, 1, 3, 8, 5000):
        subject.record_run(rows, 0.0, 0.0, 0.0)
    text = page(subject)
    buckets = values(text, "naiad_batch_size_bucket")
    assert [buckets[bound] for bound in ("1", "2", "4", "8", "1024", "+Inf")] == [2, 2, 3, 4, 4, 5]
    assert 'naiad_batch_size_count{model="m",version="1"} 5\n' in text
    assert 'naiad_batch_size_sum{model="m",version="1"} 5013\n' in text


def test_a_model_without_levels_has_no_line_by_priority() -> None:
    assert "priority=" not in page(ModelStatistics("m", "1"))


def test_levels_beyond_those_that_are_told_apart_share_a_label() -> None:
    subject = ModelStatistics("m", "1")
    subject.count_by_priority = lambda: {2: 5, MOST_PRIORITIES + 1: 1, 2**40: 2}
    for level in (1, MOST_PRIORITIES, MOST_PRIORITIES + 1, 2**64):
        subject.record_queue(level, 0.25)
    text = page(subject)
    assert values(text, "naiad_priority_pending_count") == {"1": 0, "2": 5, "32": 0, "33+": 3}
    assert values(text, "naiad_priority_queue_duration_seconds_count") == {"1": 1, "32": 1, "33+": 2}
    assert values(text, "naiad_priority_queue_duration_seconds_sum")["33+"] == 0.5


async def test_what_waits_and_waited_is_counted_by_level() -> None:
    config = ModelConfig(
        "m",
        max_batch_size=1,
        inputs=(TensorConfig("x", "FP32", (1,)),),
        dynamic_batching=DynamicBatching(priority_levels=3, default_priority_level=2),
    )
    instance = FakeInstance(lambda _: InferResponse("m", "1", []))
    served = engine(config, instance)
    instance.hold()

    def ask(priority: int) -> asyncio.Future[InferResponse]:
        tensor = Tensor("x", "FP32", np.ones((1, 1), np.float32))
        return asyncio.ensure_future(served.infer(InferRequest("m", inputs={"x": tensor}, priority=priority)))

    running = ask(1)
    await asyncio.sleep(0)
    await asyncio.to_thread(instance.started.acquire)
    waiting = [ask(priority) for priority in (1, 0, 3, 3)]
    await asyncio.sleep(0)
    statistics = served.route("m").statistics
    assert values(page(statistics), "naiad_priority_pending_count") == {"1": 1, "2": 1, "3": 2}
    instance.release()
    await asyncio.wait_for(asyncio.gather(running, *waiting), 10)
    text = page(statistics)
    assert values(text, "naiad_priority_pending_count") == {"1": 0, "2": 0, "3": 0}
    assert values(text, "naiad_priority_queue_duration_seconds_count") == {"1": 2, "2": 1, "3": 2}


async def test_statistics_tell_of_queues_by_priority() -> None:
    subject = ModelStatistics("m", "1")
    assert "naiad_queues" not in subject.as_json()
    subject.count_by_priority = lambda: {2: 3, MOST_PRIORITIES + 1: 1, MOST_PRIORITIES + 9: 1}
    subject.record_queue(1, 0.25)
    subject.record_queue(1, 0.25)
    nothing = {"count": 0, "ns": 0}
    assert subject.as_json()["naiad_queues"] == [
        {"priority": 1, "pending": 0, "queue": {"count": 2, "ns": 500_000_000}},
        {"priority": 2, "pending": 3, "queue": nothing},
        {"priority": 0, "pending": 2, "queue": nothing},
    ]


def test_statistics_tell_of_waits_for_resources() -> None:
    subject = ModelStatistics("m", "1")
    assert "naiad_rate_limit" not in subject.as_json()
    subject.count_limited = lambda: 2
    subject.record_limit(0.5)
    assert subject.as_json()["naiad_rate_limit"] == {"pending": 2, "wait": {"count": 1, "ns": 500_000_000}}


def test_a_summary_of_batch_sizes_where_it_is_wanted() -> None:
    subject = MeasuredStatistics("m", "1", has_summaries=True, clock=ManualClock())
    for rows in (1, 1, 3, 3, 3, 7, 500):
        subject.record_run(rows, 0.0, 0.0, 0.0)
    options = LatencyOptions(summaries=True, quantiles=(0.25, 0.5, 0.75, 1.0))
    text = MetricsPage(lambda: [subject], options, has_machine=False).render().decode()
    told = re.findall(r'^naiad_batch_size_summary\{.*quantile="(.+?)".*\} (\S+)$', text, re.MULTILINE)
    assert [(one, float(value)) for one, value in told] == [("0.25", 1), ("0.5", 3), ("0.75", 7), ("1", 500)]
    assert re.search(r"^naiad_batch_size_summary_sum\{.*\} 518$", text, re.MULTILINE)
    assert re.search(r"^naiad_batch_size_summary_count\{.*\} 7$", text, re.MULTILINE)
    plain = MetricsPage(lambda: [subject], has_machine=False).render().decode()
    assert "naiad_batch_size_summary" not in plain


def test_summaries_where_they_are_wanted() -> None:
    clock = ManualClock()
    subject = MeasuredStatistics("m", "1", has_summaries=True, clock=clock)
    subject.count_by_priority = dict
    subject.count_limited = lambda: 0
    for _ in range(4):
        subject.record_queue(1, 0.5)
        subject.record_limit(0.25)
    options = LatencyOptions(summaries=True, quantiles=(0.5,))
    text = MetricsPage(lambda: [subject], options, has_machine=False, usage=list).render().decode()
    for name, micros in (("naiad_priority_queue_summary_us", 500_000), ("naiad_rate_limit_summary_us", 250_000)):
        assert re.search(rf"^{name}_count\{{.*\}} 4$", text, re.MULTILINE)
        assert re.search(rf"^{name}_sum\{{.*\}} {4 * micros}$", text, re.MULTILINE)
        (median,) = re.findall(rf'^{name}\{{.*quantile="0.5".*\}} (\S+)$', text, re.MULTILINE)
        assert abs(float(median) / micros - 1) < 0.002
    plain = MetricsPage(lambda: [subject], has_machine=False, usage=list).render().decode()
    assert "naiad_priority_queue_summary_us" not in plain
    assert "naiad_rate_limit_summary_us" not in plain
