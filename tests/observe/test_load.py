"""The load of a server: counts are fresh, rates are of the last second or more."""

from __future__ import annotations

import pytest

from naiad.observe.load import FRESH_S, RATE_S, LoadMeter
from naiad.observe.metrics.page import MetricsPage
from naiad.observe.statistics import ModelStatistics
from naiad.testing import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def model(name: str = "m", waiting: int = 0, running: int = 0) -> ModelStatistics:
    statistics = ModelStatistics(name, "1")
    statistics.count_pending, statistics.count_running = lambda: waiting, lambda: running
    return statistics


def test_counts_are_of_all_models(clock: ManualClock) -> None:
    load = LoadMeter(lambda: [model("a", 3, 1), model("b", 4, 2)], clock).read()
    assert (load.waiting, load.running) == (7, 3)
    assert 0.0 <= load.cpu <= 1.0
    assert 0.0 < load.memory < 1.0


def test_counts_are_read_again_after_a_moment(clock: ManualClock) -> None:
    models = [model(waiting=1)]
    meter = LoadMeter(lambda: models, clock)
    assert meter.read().waiting == 1
    models[0] = model(waiting=2)
    clock.advance(FRESH_S / 2)
    assert meter.read().waiting == 1
    clock.advance(FRESH_S)
    assert meter.read().waiting == 2


def test_rates_are_of_the_time_since_they_were_taken(clock: ManualClock) -> None:
    one = model()
    meter = LoadMeter(lambda: [one], clock)
    meter.read()
    for _ in range(6):
        one.record_answer(0.1, 0.0, 1)
    one.record_failure("OTHER", 0.1)
    one.record_failure("OTHER", 0.1)
    clock.advance(RATE_S / 2)
    assert meter.read().requests_per_s == 0.0
    clock.advance(RATE_S * 1.5)
    load = meter.read()
    assert (load.requests_per_s, load.failures_per_s) == (4.0, 1.0)
    clock.advance(RATE_S)
    assert meter.read().requests_per_s == 0.0


def test_a_model_that_goes_takes_its_counts_along_and_no_rate_is_below_zero(clock: ManualClock) -> None:
    one = model()
    models = [one]
    meter = LoadMeter(lambda: models, clock)
    one.record_answer(0.1, 0.0, 1)
    meter.read()
    models.clear()
    clock.advance(RATE_S)
    assert meter.read().requests_per_s == 0.0


def test_the_page_has_one_number_for_the_server_without_labels() -> None:
    page = MetricsPage(lambda: [model("a", 3, 1), model("b", 4, 2)]).render().decode()
    assert "\nnaiad_requests_waiting 7" in page
    assert "\nnaiad_requests_running 3" in page
