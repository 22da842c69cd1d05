"""Deadlines: each expires once, on time or a bucket later; one timer for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from naiad.testing import ManualClock
from naiad.wire.grpc.http2.deadlines import Deadlines


class Timer:
    def __init__(self, loop: Loop, at_s: float, ring: Callable[[], None]) -> None:
        self.loop, self.at_s, self.ring = loop, at_s, ring

    def cancel(self) -> None:
        self.loop.timers.remove(self)


class Loop:
    """Timers by a manual clock."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.timers: list[Timer] = []

    def call_later(self, delay_s: float, ring: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self, self.clock() + delay_s, ring))
        return self.timers[-1]

    def advance(self, seconds: float) -> None:
        end_s = self.clock() + seconds
        while self.timers and (first := min(self.timers, key=lambda timer: timer.at_s)).at_s <= end_s:
            self.clock.advance(max(0.0, first.at_s - self.clock()))
            self.timers.remove(first)
            first.ring()
        self.clock.advance(max(0.0, end_s - self.clock()))


class Call:
    def __init__(self, loop: Loop, after_s: float) -> None:
        self.loop = loop
        self.deadline_s: float | None = loop.clock() + after_s
        self.bucket: dict[Any, None] | None = None
        self.expired_s: list[float] = []

    def expire(self) -> None:
        self.expired_s.append(self.loop.clock())


@given(st.lists(st.tuples(st.floats(0, 200), st.booleans()), max_size=20), st.floats(0.5, 30))
def test_each_expires_once_and_never_early(script: list[tuple[float, bool]], step_s: float) -> None:
    loop = Loop()
    deadlines = Deadlines(loop.clock, loop.call_later)
    calls = [(Call(loop, after_s), is_kept) for after_s, is_kept in script]
    for call, _ in calls:
        deadlines.add(call)
        assert len(loop.timers) == 1
    for call, is_kept in calls:
        if not is_kept:
            call.bucket.pop(call)
    while loop.timers:
        loop.advance(step_s)
    for call, is_kept in calls:
        assert len(call.expired_s) == is_kept
        assert all(0 <= late_s <= 0.006 for late_s in (one - (call.deadline_s or 0) for one in call.expired_s))


def test_an_earlier_deadline_moves_the_timer() -> None:
    loop = Loop()
    deadlines = Deadlines(loop.clock, loop.call_later)
    late, early = Call(loop, 100), Call(loop, 1)
    deadlines.add(late)
    deadlines.add(early)
    loop.advance(1.1)
    assert (len(early.expired_s), len(late.expired_s), len(loop.timers)) == (1, 0, 1)
    deadlines.close()
    assert loop.timers == []


def test_deadlines_far_off_do_not_pile_up() -> None:
    """A client may name any of them; what is kept for calls that are over must not grow with their number."""
    loop = Loop()
    deadlines = Deadlines(loop.clock, loop.call_later)
    for after_s in range(1000, 100_000, 10):
        call = Call(loop, after_s)
        deadlines.add(call)
        call.bucket.pop(call)
    assert len(deadlines._buckets) == len(deadlines._order) == 1
