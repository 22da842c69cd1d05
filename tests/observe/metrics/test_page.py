"""The metrics page: Triton's names, texts and numbers, true histograms, cumulative buckets."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from naiad.observe.histogram import Histogram
from naiad.observe.measured import MeasuredStatistics
from naiad.observe.metrics.latencies import LatencyOptions
from naiad.observe.metrics.page import (
    BATCH_SECONDS,
    BATCH_TOKENS,
    FAILURES,
    FIRST_RESPONSE,
    HISTOGRAMS,
    LATENCIES,
    MACHINE,
    PER_MODEL,
    PINNED,
    SUMMARIES,
    MetricsPage,
)
from naiad.observe.statistics import FAILURE_REASONS, ModelStatistics


def statistics(subject: ModelStatistics | None = None) -> ModelStatistics:
    subject = subject or ModelStatistics("m", "2")
    subject.record_answer(0.004, 0.001, rows=3)
    subject.record_compute(1, 0.0005, 0.002, 0.0005)
    subject.record_answer(7.0, 2.0, rows=1)
    subject.record_compute(1, 0.0, 5.0, 0.0)
    subject.record_run(4, 0.1, 0.2, 0.3)
    subject.record_failure("REJECTED", 0.5)
    return subject


def page() -> str:
    subject = statistics()
    return MetricsPage(lambda: [subject]).render().decode()


def test_every_metric_is_there_with_its_help() -> None:
    text = page()
    rows = ((row.name, row.help) for row in (*PER_MODEL, *LATENCIES))
    for name, help_text in (*rows, FAILURES, *HISTOGRAMS.values(), BATCH_TOKENS, BATCH_SECONDS, *PINNED, *MACHINE):
        assert f"# HELP {name} {help_text}\n" in text


def test_counters_have_tritons_names_without_suffix() -> None:
    text = page()
    assert "# TYPE nv_inference_count counter\n" in text
    assert 'nv_inference_count{model="m",version="2"} 4\n' in text
    assert 'nv_inference_request_success{model="m",version="2"} 2\n' in text
    assert 'nv_inference_exec_count{model="m",version="2"} 1\n' in text
    assert 'nv_inference_queue_duration_us{model="m",version="2"} 2001000\n' in text
    for reason in FAILURE_REASONS:
        count = 1 if reason == "REJECTED" else 0
        assert f'nv_inference_request_failure{{model="m",reason="{reason}",version="2"}} {count}\n' in text


def test_histograms_are_cumulative_and_end_with_everything() -> None:
    families = {family.name: family for family in text_string_to_metric_families(page())}
    samples = families["naiad_request_duration_seconds"].samples
    buckets = [sample.value for sample in samples if sample.name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    by_bound = {sample.labels["le"]: sample.value for sample in samples if sample.name.endswith("_bucket")}
    assert (by_bound["0.0025"], by_bound["0.005"], by_bound["5"], by_bound["10"], by_bound["+Inf"]) == (
        0,
        1,
        1,
        2,
        2,
    )
    assert next(sample.value for sample in samples if sample.name.endswith("_sum")) == 7.004
    assert next(sample.value for sample in samples if sample.name.endswith("_count")) == 2


def test_a_value_on_a_bound_belongs_to_the_bucket_below_it() -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.observe(1.0)
    histogram.observe_times(1.5, 2)
    histogram.observe(9.0)
    assert histogram.cumulative() == [(1.0, 1), (2.0, 3), (float("inf"), 4)]
    assert histogram.sum == 13.0


FACTS = {
    "tokens_chosen": 128,
    "usual_tokens": 32,
    "lone_on": "wide",
    "seconds": [{"texts": "together", "load": "busy", "tokens": 128, "seconds": 0.014}],
}


def test_what_runs_cost_and_what_was_chosen() -> None:
    learns, does_not = ModelStatistics("m", "1"), ModelStatistics("other", "1")
    learns.batching = lambda: FACTS
    text = MetricsPage(lambda: [learns, does_not]).render().decode()
    assert 'naiad_batch_tokens_chosen{model="m",version="1"} 128\n' in text
    labels = 'load="busy",model="m",texts="together",tokens="128",version="1"'
    assert f"naiad_batch_seconds{{{labels}}} 0.014\n" in text
    assert 'naiad_batch_tokens_chosen{model="other"' not in text
    assert learns.as_json()["naiad_batching"] == FACTS
    assert "naiad_batching" not in does_not.as_json()


def test_metrics_of_the_machine_are_plausible() -> None:
    families = {family.name: family for family in text_string_to_metric_families(page())}
    total = families["nv_cpu_memory_total_bytes"].samples[0].value
    used = families["nv_cpu_memory_used_bytes"].samples[0].value
    assert 0 < used < total
    assert 0 <= families["nv_cpu_utilization"].samples[0].value <= 1


def test_the_operator_may_leave_the_machine_out() -> None:
    text = MetricsPage(lambda: [statistics()], has_machine=False).render().decode()
    assert "nv_cpu_" not in text
    assert "nv_pinned_memory_pool_used_bytes 0\n" in text


def test_failed_requests_add_nothing_to_durations() -> None:
    """As in Triton, whose counter is divided by that of successful ones."""
    assert 'nv_inference_request_duration_us{model="m",version="2"} 7004000\n' in page()


def test_bytes_are_written_in_full() -> None:
    """Dashboards and scripts read `nv_cpu_memory_total_bytes 25276514304`, never 2.5e+10."""
    for name in ("nv_cpu_memory_total_bytes", "nv_cpu_memory_used_bytes"):
        assert re.search(rf"^{name} \d{{6,}}$", page(), re.MULTILINE)


def test_the_pool_of_pinned_memory_is_empty() -> None:
    """Triton shows it without a GPU, too."""
    text = page()
    assert "# TYPE nv_pinned_memory_pool_total_bytes gauge\nnv_pinned_memory_pool_total_bytes 0\n" in text
    assert "# TYPE nv_pinned_memory_pool_used_bytes gauge\nnv_pinned_memory_pool_used_bytes 0\n" in text


def measured(**options: bool | tuple[float, ...]) -> str:
    """The page with these options, of a model that has all there can be."""
    subject = statistics(MeasuredStatistics("m", "2", has_summaries=True, first_response_ms=(1.0, 100.0)))
    subject.record_response(0, "success", 0.05, 0.01)
    subject.record_response(1, "success", 9.0)
    subject.record_response(0, "empty_response", 0.2)
    return MetricsPage(lambda: [subject], LatencyOptions(**options)).render().decode()  # type: ignore[arg-type]


def test_latency_metrics_are_those_that_were_chosen() -> None:
    counters = [row.name for row in LATENCIES]
    summaries = [name for name, _ in SUMMARIES.values()]
    for options, expected in (
        ({}, counters),
        ({"counters": False}, []),
        ({"summaries": True}, counters + summaries),
        ({"counters": False, "histograms": True}, [FIRST_RESPONSE[0]]),
    ):
        text = measured(**options)
        found = {name for name in (*counters, *summaries, FIRST_RESPONSE[0]) if f"# TYPE {name} " in text}
        assert found == set(expected), options
        assert 'nv_inference_request_success{model="m",version="2"} 2\n' in text


def test_a_summary_has_count_sum_and_quantiles() -> None:
    text = measured(summaries=True, quantiles=(0.5, 0.999))
    name, labels = "nv_inference_queue_summary_us", 'model="m",version="2"'
    head = f"# TYPE {name} summary\n{name}_count{{{labels}}} 2\n{name}_sum{{{labels}}} 2001000\n"
    assert head + f'{name}{{{labels},quantile="0.5"}} ' in text
    by_quantile = dict(re.findall(rf'^{name}{{{labels},quantile="(.*)"}} (.*)$', text, re.MULTILINE))
    assert float(by_quantile["0.5"]) == pytest.approx(1000, rel=0.002)
    assert float(by_quantile["0.999"]) == pytest.approx(2e6, rel=0.002)


def test_the_first_response_of_a_request_is_counted_in_milliseconds() -> None:
    """Not later ones, and none where there was none."""
    name, labels = FIRST_RESPONSE[0], 'model="m",version="2"'
    assert (
        f"# TYPE {name} histogram\n{name}_count{{{labels}}} 1\n{name}_sum{{{labels}}} 50\n"
        f'{name}_bucket{{{labels},le="1"}} 0\n{name}_bucket{{{labels},le="100"}} 1\n'
        f'{name}_bucket{{{labels},le="+Inf"}} 1\n'
    ) in measured(histograms=True)


def test_a_model_that_keeps_no_summaries_has_none() -> None:
    """One that a program made by itself."""
    text = MetricsPage(lambda: [statistics()], LatencyOptions(summaries=True)).render().decode()
    assert "nv_inference_queue_summary_us_count" not in text


def test_statistics_extension() -> None:
    entry = statistics().as_json()
    assert (entry["name"], entry["version"]) == ("m", "2")
    assert (entry["inference_count"], entry["execution_count"]) == (4, 1)
    assert entry["inference_stats"]["success"] == {"count": 2, "ns": 7_004_000_000}
    assert entry["inference_stats"]["compute_infer"] == {"count": 2, "ns": 5_002_000_000}
    assert entry["inference_stats"]["fail"] == {"count": 1, "ns": 500_000_000}
    assert entry["inference_stats"]["cache_hit"] == {"count": 0, "ns": 0}
    (batch,) = entry["batch_stats"]
    assert batch["batch_size"] == 4
    assert batch["compute_infer"] == {"count": 1, "ns": 200_000_000}
    assert entry["last_inference"] > 1_600_000_000_000


def test_many_values_are_counted_as_if_one_by_one() -> None:
    histogram = Histogram((0.25, 0.5, 0.75))
    values = [(number % 101) / 100 for number in range(10_000)]
    for value in values:
        histogram.observe(value)
    expected = [sum(value <= bound for value in values) for bound in (0.25, 0.5, 0.75, 1.0)]
    assert [count for _, count in histogram.cumulative()] == expected
    assert histogram.count == 10_000
    assert abs(histogram.sum - sum(values)) < 1e-6
