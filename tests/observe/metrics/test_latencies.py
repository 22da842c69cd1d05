"""What --metrics-config says."""

from __future__ import annotations

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.observe.metrics.latencies import LatencyOptions, read_metrics_config


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], LatencyOptions(counters=True, summaries=False, histograms=False)),
        (["counter_latencies=false"], LatencyOptions(counters=False)),
        (["summary_latencies=true", "histogram_latencies=true"], LatencyOptions(summaries=True, histograms=True)),
        (["summary_latencies=true", "summary_latencies=false"], LatencyOptions()),
        (["summary_quantiles=0.5:0.05,0.99:0.001"], LatencyOptions(quantiles=(0.5, 0.99))),
        (["summary_quantiles=1:0"], LatencyOptions(quantiles=(1.0,))),
    ],
)
def test_read(lines: list[str], expected: LatencyOptions) -> None:
    assert read_metrics_config(lines) == expected


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("summary_latencies", r"option format is <setting>=<value>\. Got summary_latencies"),
        ("=true", "option format is"),
        ("summary_latencies=", "option format is"),
        ("sumary_latencies=true", "unknown setting 'sumary_latencies'; known: counter_latencies, summary_latencies"),
        ("counter_latencies=yes", "counter_latencies must be true or false"),
        ("summary_quantiles=0.5", "'0.5' must be <quantile>:<error>"),
        ("summary_quantiles=0.5:0.1,x:0.1", "'x:0.1' must be"),
        ("summary_quantiles=0.5:", "must be"),
        ("summary_quantiles=50:0.1", "'50:0.1' must be"),
        ("summary_quantiles=nan:0.1", "must be"),
    ],
)
def test_refused(line: str, words: str) -> None:
    with pytest.raises(InvalidConfiguration, match=words):
        read_metrics_config([line])
