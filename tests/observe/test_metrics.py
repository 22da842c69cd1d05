"""The metrics page: Triton's names and texts, true histograms, cumulative buckets."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from naiad.observe.histogram import Histogram
from naiad.observe.metrics import BATCH_SECONDS, BATCH_TOKENS, FAILURES, HISTOGRAMS, PER_MODEL, PROCESS, MetricsPage
from naiad.observe.statistics import FAILURE_REASONS, ModelStatistics


def statistics() -> ModelStatistics:
    subject = ModelStatistics("m", "2")
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
    rows = ((row.name, row.help) for row in PER_MODEL)
    for name, help_text in (*rows, FAILURES, *HISTOGRAMS.values(), BATCH_TOKENS, BATCH_SECONDS, *PROCESS):
        assert f"# HELP {name} {help_text}\n" in text


def test_counters_have_tritons_names_without_suffix() -> None:
    text = page()
    assert "# TYPE nv_inference_count counter\n" in text
    assert 'nv_inference_count{model="m",version="2"} 4.0\n' in text
    assert 'nv_inference_request_success{model="m",version="2"} 2.0\n' in text
    assert 'nv_inference_exec_count{model="m",version="2"} 1.0\n' in text
    assert 'nv_inference_queue_duration_us{model="m",version="2"} 2.001e+06\n' in text
    for reason in FAILURE_REASONS:
        count = 1.0 if reason == "REJECTED" else 0.0
        assert f'nv_inference_request_failure{{model="m",reason="{reason}",version="2"}} {count}\n' in text


def test_histograms_are_cumulative_and_end_with_everything() -> None:
    families = {family.name: family for family in text_string_to_metric_families(page())}
    samples = families["naiad_request_duration_seconds"].samples
    buckets = [sample.value for sample in samples if sample.name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    by_bound = {sample.labels["le"]: sample.value for sample in samples if sample.name.endswith("_bucket")}
    assert (by_bound["0.0025"], by_bound["0.005"], by_bound["5.0"], by_bound["10.0"], by_bound["+Inf"]) == (
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
    assert histogram.cumulative() == [("1.0", 1), ("2.0", 3), ("+Inf", 4)]
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
    assert 'naiad_batch_tokens_chosen{model="m",version="1"} 128.0\n' in text
    labels = 'load="busy",model="m",texts="together",tokens="128",version="1"'
    assert f"naiad_batch_seconds{{{labels}}} 0.014\n" in text
    assert 'naiad_batch_tokens_chosen{model="other"' not in text
    assert learns.as_json()["naiad_batching"] == FACTS
    assert "naiad_batching" not in does_not.as_json()


def test_process_metrics_are_plausible() -> None:
    families = {family.name: family for family in text_string_to_metric_families(page())}
    total = families["nv_cpu_memory_total_bytes"].samples[0].value
    used = families["nv_cpu_memory_used_bytes"].samples[0].value
    assert 0 < used < total
    assert 0 <= families["nv_cpu_utilization"].samples[0].value <= 1


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
