"""Quantiles of the last minute."""

from __future__ import annotations

import math
import random

import pytest

from naiad.observe.recent import SLICE_S, RecentTimes
from naiad.testing import ManualClock

WANTED = (0.5, 0.9, 0.99, 0.999)


def test_nothing_has_no_quantiles() -> None:
    assert all(map(math.isnan, RecentTimes(ManualClock()).quantiles(WANTED)))


def test_small_times_are_exact() -> None:
    times = RecentTimes(ManualClock())
    for micros in range(500):
        times.observe((micros + 0.5) / 1e6)
    assert times.quantiles((0.0, 0.002, 0.5, 0.9, 1.0)) == [0, 0, 249, 449, 499]


@pytest.mark.parametrize("scale", [1e-4, 1e-2, 1.0, 1e4])
def test_large_ones_are_within_two_thousandths(scale: float) -> None:
    random.seed(7)
    values = sorted(random.expovariate(1 / scale) + 1e-3 for _ in range(20_000))
    times = RecentTimes(ManualClock())
    for value in values:
        times.observe(value)
    expected = [values[math.ceil(wanted * len(values)) - 1] * 1e6 for wanted in WANTED]
    assert times.quantiles(WANTED) == pytest.approx(expected, rel=0.002)


def test_several_at_once_count_as_often() -> None:
    times = RecentTimes(ManualClock())
    times.observe(1e-6, 9)
    times.observe(5e-6)
    assert times.quantiles((0.9, 0.91)) == [1, 5]


def test_what_takes_weeks_is_the_longest() -> None:
    times = RecentTimes(ManualClock())
    times.observe(1e9)
    assert times.quantiles((0.5,)) == pytest.approx([2**40], rel=0.002)


def test_the_window_slides_in_five_steps_of_a_minute() -> None:
    clock = ManualClock()
    times = RecentTimes(clock)
    seen = []
    for step in range(8):
        times.observe((step + 1) / 1e5)
        seen.append(times.quantiles((0.0, 1.0)))
        clock.advance(SLICE_S)
    assert seen == [[10.0 * max(1, step - 4), 10.0 * step] for step in range(1, 9)]
    clock.advance(4 * SLICE_S)
    assert math.isnan(times.quantiles((0.5,))[0])


def test_memory_does_not_grow_with_the_times() -> None:
    clock = ManualClock()
    times = RecentTimes(clock)
    for step in range(40):
        times.observe(0.001 * step, 5000)
        clock.advance(SLICE_S / 2)
    assert len(times._slices) <= 5
    assert len(times._noted) <= 5000
