"""What is said about a model that waits for its hooks, and how many workers would be of use."""

from __future__ import annotations

import pytest

from naiad.serving.explaining.facts import Batching, Facts
from naiad.serving.explaining.preprocess import PreprocessFacts, decide_more_workers, diagnose


def hooks(**given: object) -> PreprocessFacts:
    """One worker, ten seconds, hooks of 5 ms of processor time, one after the other: 200 a second."""
    usual: dict[str, object] = {
        "model": "m",
        "workers": 1,
        "seconds": 10.0,
        "active_s": 10.0,
        "waited_s": 8.0,
        "requests": 2000,
        "held_s": 0.005,
        "processor_s": 0.005,
    }
    return PreprocessFacts(**{**usual, **given})  # type: ignore[arg-type]


def model(busy: float = 0.2, requests: int = 2000) -> Facts:
    """A model that runs for so much of ten seconds, in single runs."""
    return Facts("m", "1", 10.0, Batching(0), requests=requests, runs={1: requests}, ran_s={1: 10.0 * busy})


@pytest.mark.parametrize(
    ("facts", "of_model", "cores", "more", "rate"),
    [
        (hooks(), model(0.2), 64, 4, 1000),  # 1,000 a second if it never waited: five workers of 200
        (hooks(), model(0.5), 64, 1, 400),
        (hooks(), model(1.0), 64, 0, 200),
        (hooks(workers=4), model(0.2), 64, 1, 1000),
        (hooks(), model(0.2), 2, 1, 333.3),  # 5 ms and 1 ms of each request on two cores
        (hooks(), model(0.2), 1, 0, 166.7),
        (hooks(held_s=0.010), model(0.2), 2, 3, 333.3),  # half of the time on something else than a processor
        (hooks(model="", waited_s=0.0), None, 4, 3, 800),
    ],
)
def test_workers_enough_to_keep_the_model_running_and_no_more_than_the_cores_take(
    facts: PreprocessFacts, of_model: Facts | None, cores: int, more: int, rate: float
) -> None:
    found, at = decide_more_workers(facts, of_model, cores)
    assert (found, at) == (more, pytest.approx(rate, rel=0.01))


def test_a_starved_model_is_told_with_the_workers_that_it_wants() -> None:
    found = diagnose(hooks(), model(0.2), 64)
    assert found.why.startswith("starved: the model waited 80 % of the time for preprocess.")
    assert "its worker is held for 100 % of the time" in found.why
    assert found.change == (
        "4 more workers would keep the model running: about 1,000 requests a second instead of 200. Set workers: 5."
    )


def test_cores_that_are_all_in_use_are_said() -> None:
    assert "more workers would not help" in diagnose(hooks(), model(0.2), 1).change
    assert "would use all cores: about 333" in diagnose(hooks(), model(0.2), 2).change


def test_a_lone_client_is_told_to_send_more() -> None:
    found = diagnose(hooks(requests=500, workers=2, waited_s=9.0), model(0.1, 500), 64)
    assert found.why.startswith("starved: the model waited 90 % of the time")
    assert found.change.startswith("Send more requests at the same time")


def test_a_model_that_hardly_waits_is_left_alone() -> None:
    found = diagnose(hooks(waited_s=0.4), model(0.97), 64)
    assert found.why.startswith("The model waited for preprocess for 4 % of the time, hardly ever.")
    assert found.change == ""


def test_nothing_is_said_about_nothing() -> None:
    assert diagnose(hooks(requests=0), model(), 4).change == "Ask again while requests run."
    assert decide_more_workers(hooks(requests=0, held_s=0.0, processor_s=0.0), None, 4)[0] == 0
