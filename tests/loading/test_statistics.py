"""Which statistics a model gets, by what is asked of the metrics and by its own configuration."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from naiad.core.errors import LoadFailed
from naiad.core.model.config import ModelConfig
from naiad.core.settings.config import ModelSettings
from naiad.loading.statistics import statistics_of
from naiad.modelconfig import finish, prepare
from naiad.observe.metrics.page import FIRST_RESPONSE, MetricsPage
from naiad.observe.statistics import ModelStatistics

X = {"name": "x", "data_type": "TYPE_FP32", "dims": [2]}


def config(buckets: list[float | str] | None = None, *, decoupled: bool = True, family: str = "") -> ModelConfig:
    given: dict[str, Any] = {"backend": "identity", "input": [X], "output": [{**X, "name": "y"}]}
    if decoupled:
        given["model_transaction_policy"] = {"decoupled": True}
    if buckets is not None:
        control = {
            "metric_identifier": {"family": family or FIRST_RESPONSE[0]},
            "histogram_options": {"buckets": buckets},
        }
        given["model_metrics"] = {"metric_control": [control]}
    return finish(prepare(given, "m"))


def made(given: ModelConfig, *settings: str) -> ModelStatistics:
    return statistics_of(given, "1", ModelSettings.of(metrics_config=settings))


def bounds(statistics: ModelStatistics) -> list[float]:
    assert statistics.first_response is not None
    return [bound for bound, _ in statistics.first_response.cumulative()]


def test_nothing_is_measured_that_is_not_asked_for() -> None:
    """Not even a class stands in the way of a request."""
    assert type(made(config())) is ModelStatistics
    assert type(made(config(decoupled=False), "histogram_latencies=true")) is ModelStatistics
    assert type(made(config([1.0]), "summary_quantiles=0.5:0.1")) is ModelStatistics


def test_each_for_itself() -> None:
    summaries = made(config(), "summary_latencies=true")
    assert (len(summaries.recent), summaries.first_response) == (9, None)
    histogram = made(config(), "histogram_latencies=true")
    assert (histogram.recent, bounds(histogram)) == ({}, [100, 500, 2000, 5000, float("inf")])
    both = made(config(), "summary_latencies=true", "histogram_latencies=true")
    assert (len(both.recent), len(bounds(both))) == (9, 5)


@pytest.mark.parametrize("end", [[], ["Infinity"]])
def test_a_model_may_have_buckets_of_its_own(end: list[Any]) -> None:
    assert bounds(made(config([-1, 0.0, 1, 2.5, *end]), "histogram_latencies=true")) == [-1, 0, 1, 2.5, float("inf")]


@pytest.mark.parametrize("buckets", [[1, 1], [2, 1], ["NaN"], ["Infinity"], ["Infinity", 1]])
def test_buckets_that_cannot_be(buckets: list[Any]) -> None:
    with pytest.raises(LoadFailed, match="must be numbers in ascending order"):
        made(config(buckets))


def test_buckets_of_another_metric_are_not_silently_ignored(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "naiad.loading"):
        made(config([1.0], family="nv_other"))
    assert "the buckets of 'nv_other' cannot be set" in caplog.text


def tagged(**tags: str) -> ModelConfig:
    return finish(
        prepare({"backend": "identity", "input": [X], "output": [{**X, "name": "y"}], "metric_tags": tags}, "m")
    )


def test_tags_are_labels_of_every_metric() -> None:
    statistics = made(tagged(zone="b", Owner_1="me"))
    assert statistics.labels == {"model": "m", "version": "1", "_zone": "b", "_Owner_1": "me"}
    page = MetricsPage(lambda: [statistics]).render().decode()
    assert 'nv_inference_count{_Owner_1="me",_zone="b",model="m",version="1"} 0\n' in page
    assert 'nv_inference_request_failure{_Owner_1="me",_zone="b",model="m",reason="OTHER",version="1"} 0\n' in page


@pytest.mark.parametrize("tag", ["", "_zone", "a-b", "a b", "ü", 'a"} 1'])
def test_a_tag_that_no_label_can_have(tag: str) -> None:
    with pytest.raises(LoadFailed, match="cannot be a label"):
        made(tagged(**{tag: "x"}))
