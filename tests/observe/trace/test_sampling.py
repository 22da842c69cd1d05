from __future__ import annotations

from dataclasses import replace

import pytest

from naiad.core.errors import InvalidRequest
from naiad.observe.trace.sampling import Rules, Sampler, Samplers
from naiad.observe.trace.settings import TraceValues

ON = TraceValues(("TIMESTAMPS",), rate=1)
RULES = Rules(has_file=True)
NO_FILE = Rules()
SPANS = Rules(makes_spans=True)


def picks(sampler: Sampler, requests: int) -> list[int]:
    """Which of that many requests are picked, from 1."""
    return [number for number in range(1, requests + 1) if sampler.try_pick(is_wanted=False)]


def test_every_rate_th_until_the_count_is_used_up() -> None:
    sampler = Sampler(replace(ON, rate=3, count=2))
    assert picks(sampler, 20) == [3, 6]
    assert (sampler.left, sampler.is_live) == (0, False)


def test_off_picks_nothing() -> None:
    assert picks(Sampler(replace(ON, level=())), 3) == []


def test_what_the_caller_traces_is_picked_whatever_the_rate_and_without_using_up_the_count() -> None:
    sampler = Sampler(replace(ON, rate=0, count=1))
    assert sampler.try_pick(is_wanted=True)
    assert sampler.left == 1
    assert not Sampler(replace(ON, level=())).try_pick(is_wanted=True)


def test_a_model_has_its_own_values_and_otherwise_the_servers() -> None:
    samplers = Samplers(ON, RULES)
    samplers.change("m", {"trace_rate": 5})
    samplers.change("", {"trace_level": ("TENSORS",), "trace_rate": 7})
    assert replace(ON, level=("TENSORS",), rate=5) == samplers.of("m").values
    assert samplers.of("other") is samplers.of("")
    samplers.change("m", {"trace_rate": None})
    assert samplers.of("m") is samplers.of("")


def test_clearing_the_servers_values_brings_those_of_the_start_back() -> None:
    samplers = Samplers(ON, RULES)
    samplers.change("", {"trace_rate": 9, "trace_count": 4})
    samplers.change("", {"trace_rate": None, "trace_count": None})
    assert samplers.of("").values == ON


def test_a_change_keeps_what_is_left_of_the_count() -> None:
    samplers = Samplers(ON, RULES)
    samplers.change("", {"trace_count": 5})
    picks(samplers.of(""), 2)
    samplers.change("", {"trace_rate": 2})
    assert samplers.of("").left == 3


def test_a_change_of_the_servers_values_replaces_the_models_samplers() -> None:
    samplers = Samplers(ON, RULES)
    samplers.change("m", {"trace_rate": 5})
    before = samplers.of("m")
    assert {before, samplers.of("")} == set(samplers.change("", {"log_frequency": 3}))
    assert before.is_replaced
    assert samplers.of("m").values.log_frequency == 3


@pytest.mark.parametrize(
    ("rules", "change", "reason"),
    [
        (RULES, {"trace_rate": 0}, "sample rate must be non-zero"),
        (NO_FILE, {"trace_level": ("TENSORS",)}, "trace file name is not given"),
        (NO_FILE, {"trace_level": ("TENSORS",), "trace_rate": 0}, "sample rate must be non-zero"),
        (
            SPANS,
            {"trace_level": ("TENSORS",)},
            "mode opentelemetry needs TIMESTAMPS; TENSORS works only with mode triton",
        ),
    ],
)
@pytest.mark.parametrize("model", ["", "m"])
def test_values_that_would_trace_and_cannot(rules: Rules, change: dict[str, object], reason: str, model: str) -> None:
    start = TraceValues() if rules is NO_FILE else ON
    samplers = Samplers(start, rules)
    with pytest.raises(InvalidRequest) as caught:
        samplers.change(model, change)
    assert f"Attempting to set invalid trace setting :{reason}" == caught.value.message
    assert start == samplers.of(model).values


def test_a_change_that_would_break_a_models_values_changes_nothing() -> None:
    """The model's level needs a rate, and its rate is the server's."""
    samplers = Samplers(replace(ON, level=()), RULES)
    samplers.change("m", {"trace_level": ("TENSORS",)})
    with pytest.raises(InvalidRequest):
        samplers.change("", {"trace_rate": 0})
    assert (samplers.of("").values.rate, samplers.of("m").values.rate) == (1, 1)


def test_a_sampler_is_done_when_its_last_trace_is() -> None:
    sampler = Sampler(replace(ON, count=1))
    assert not sampler.is_done
    picks(sampler, 1)
    sampler.under_way = 1
    assert not sampler.is_done
    sampler.under_way = 0
    assert sampler.is_done
