"""How long a model waited for the code in front of it, counted by hand."""

from __future__ import annotations

import pytest

from naiad.observe.starvation import Starvation
from naiad.testing import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_time_without_requests_is_nobodys(clock: ManualClock) -> None:
    starvation = Starvation("m", 1, clock=clock)
    clock.advance(10)
    assert (starvation.times().active_s, starvation.times().waited_s, starvation.share()) == (0, 0, 0)


def test_a_model_waits_while_a_request_is_in_its_hooks_and_not_while_it_runs(clock: ManualClock) -> None:
    starvation = Starvation("m", 1, clock=clock)
    starvation.came()
    clock.advance(3)  # preprocess
    starvation.entered()
    clock.advance(1)  # the model
    starvation.left()
    clock.advance(1)  # postprocess
    starvation.went()
    clock.advance(5)
    times = starvation.times()
    assert (times.active_s, times.waited_s, times.under_way) == (5, 4, 0)
    assert starvation.share() == pytest.approx(0.8)


def test_a_model_with_work_does_not_wait_however_many_requests_are_in_the_hooks(clock: ManualClock) -> None:
    starvation = Starvation("m", 1, clock=clock)
    for _ in range(5):
        starvation.came()
    starvation.entered()
    clock.advance(2)
    assert (starvation.times().active_s, starvation.times().waited_s) == (2, 0)


def test_a_model_with_room_for_more_waits_in_part(clock: ManualClock) -> None:
    starvation = Starvation("m", 1, room=4, clock=clock)
    for _ in range(5):
        starvation.came()
    starvation.entered()
    clock.advance(4)
    assert starvation.times().waited_s == pytest.approx(3)


def test_nobody_waits_where_all_requests_are_in_the_model(clock: ManualClock) -> None:
    """A second instance that has nothing to do has no hooks to wait for either."""
    starvation = Starvation("m", 1, room=2, clock=clock)
    starvation.came()
    starvation.entered()
    clock.advance(4)
    assert (starvation.times().active_s, starvation.times().waited_s) == (4, 0)


def test_without_a_model_nothing_is_starved(clock: ManualClock) -> None:
    starvation = Starvation("", 1, clock=clock)
    starvation.came()
    clock.advance(4)
    assert (starvation.times().active_s, starvation.times().waited_s) == (4, 0)


def test_the_share_forgets_what_is_long_past(clock: ManualClock) -> None:
    starvation = Starvation("m", 1, clock=clock)
    starvation.came()
    for _ in range(30):
        clock.advance(1)
        starvation.share()
    assert starvation.share() == pytest.approx(1)
    starvation.entered()
    for _ in range(70):
        clock.advance(1)
        starvation.share()
    assert starvation.share() == pytest.approx(0)
    assert starvation.times().waited_s == 30


def test_what_hooks_took_is_summed_up(clock: ManualClock) -> None:
    starvation = Starvation("m", 2, clock=clock)
    starvation.ran(0.5, 0.25, {"preprocess": 0.5, "process": 1.0})
    starvation.ran(0.25, 0.25, {"preprocess": 0.25})
    times = starvation.times()
    assert (times.workers, times.requests, times.held_s, times.processor_s) == (2, 2, 0.75, 0.5)
    assert times.hooks_s == {"preprocess": 0.75, "process": 1.0}
