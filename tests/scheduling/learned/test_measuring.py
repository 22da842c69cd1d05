"""Measuring at load, on instances that tell the clock what they took."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from machines import ALONE, PACKS, Machine

from naiad.core.contracts import Batch, Instances
from naiad.core.errors import ModelFailed
from naiad.scheduling.learned.measuring import LONE_BUDGET_S, ROUNDS, SLOW_BUDGET_S, Measured, measure
from naiad.scheduling.learned.rule import LearnedRule, chosen_texts


class Texts:
    """Makes texts that are their own lengths."""

    def __init__(self, only: int = 0) -> None:
        self._only = only

    def size_near(self, tokens: int) -> int:
        return self._only or tokens

    def make(self, sizes: Sequence[int]) -> Sequence[int]:
        return list(sizes)


class Time:
    """A clock for each thread, because instances run side by side."""

    def __init__(self) -> None:
        self._own = threading.local()
        self._all: list[float] = []
        self._lock = threading.Lock()
        self._main = threading.get_ident()

    def __call__(self) -> float:
        return float(getattr(self._own, "now", 0.0)) + (sum(self._all) if threading.get_ident() == self._main else 0.0)

    def pass_by(self, seconds: float) -> None:
        self._own.now = getattr(self._own, "now", 0.0) + seconds
        if threading.get_ident() != self._main:
            with self._lock:
                self._all.append(seconds / 2)


class Fake:
    """An instance that takes the time that a made-up machine takes."""

    def __init__(self, time: Time, seconds: Callable[[Sequence[int]], float]) -> None:
        self._time = time
        self._seconds = seconds
        self.batches: list[list[int]] = []

    def execute(self, batch: Batch[int]) -> list[Any]:
        self.batches.append(list(batch.items))
        self._time.pass_by(self._seconds(batch.items))
        return list(batch.items)

    def close(self) -> None:
        pass


def instances(machine: Machine, time: Time, *, narrow: int = 2, slower: float = 1.0) -> Instances[int]:
    def on_narrow(sizes: Sequence[int]) -> float:
        busy = threading.current_thread() is not threading.main_thread()
        return slower * machine.seconds(len(sizes), sum(sizes), busy=busy)

    def on_wide(sizes: Sequence[int]) -> float:
        return slower * machine.alone(sum(sizes)) * machine.wide / 1000

    return Instances(tuple(Fake(time, on_narrow) for _ in range(narrow)), Fake(time, on_wide))


@pytest.mark.parametrize("machine", [PACKS, ALONE], ids=str)
def test_the_machine_is_found(machine: Machine) -> None:
    time = Time()
    curve = measure(instances(machine, time), Texts(), 512, clock=time, budget_s=100.0).curve
    assert curve is not None
    for found, made_up in ((curve.alone, machine.alone), (curve.together, machine.together)):
        for tokens, seconds in found.points:
            assert seconds == pytest.approx(made_up(tokens) / 1000)
    assert curve.wide.seconds(32) == pytest.approx(machine.alone(32) * machine.wide / 1000)
    rule = LearnedRule(curve, 2, 512)
    assert chosen_texts(rule, 32) == chosen_texts(machine.rule(), 32)


@pytest.mark.parametrize("slower", [1.0, 3.0, 10.0, 100.0, 1000.0])
def test_it_ends_in_time_whatever_a_run_takes(slower: float) -> None:
    """One run more than expected, at most; a model that is too slow is not measured at all."""
    time = Time()
    curve = measure(instances(PACKS, time, slower=slower), Texts(), 512, clock=time, budget_s=1.0).curve
    budget_s = 1.0 if slower < 10.0 else SLOW_BUDGET_S
    assert time() <= budget_s + LONE_BUDGET_S + slower * 0.02
    assert (curve is None) == (slower == 1000.0)


def test_a_slow_model_is_measured_up_to_packs_that_are_worth_it() -> None:
    """With times of two texts only, packs of two would be chosen, whatever more would save."""
    time = Time()
    curve = measure(instances(PACKS, time, slower=20.0), Texts(), 512, clock=time).curve
    assert curve is not None
    assert [tokens for tokens, _ in curve.busy_together.points] == [64, 128, 256]
    assert chosen_texts(LearnedRule(curve, 2, 512), 32) >= chosen_texts(PACKS.rule(), 32)


def test_a_cheap_model_is_measured_a_few_times_and_no_more() -> None:
    time = Time()
    subject = instances(PACKS, time, slower=1e-6)
    assert measure(subject, Texts(), 64, clock=time).curve is not None
    wide = subject.wide
    assert isinstance(wide, Fake)
    assert len(wide.batches) == 1 + 3 * ROUNDS  # once to warm up, then each size in each round


def test_an_unlucky_run_on_all_cores_does_not_count_for_a_slow_model_either() -> None:
    """Which is so slow that the rounds end in the first one."""
    time, calls = Time(), 0
    slow = instances(PACKS, time, slower=15.0)
    usual_s = 15.0 * PACKS.alone(32) * PACKS.wide / 1000

    def on_wide(sizes: Sequence[int]) -> float:
        nonlocal calls
        calls += 1
        return usual_s * (3 if calls == 2 else 1)  # the first run warms it up

    curve = measure(Instances(slow.narrow, Fake(time, on_wide)), Texts(32), 64, clock=time).curve
    assert curve is not None
    assert curve.wide.seconds(32) == pytest.approx(usual_s)


def test_a_noisy_run_does_not_count() -> None:
    time, calls = Time(), 0

    def seconds(sizes: Sequence[int]) -> float:
        nonlocal calls
        calls += 1
        return PACKS.seconds(len(sizes), sum(sizes), busy=False) * (5 if calls % 3 == 0 else 1)

    curve = measure(Instances((Fake(time, seconds),)), Texts(), 512, clock=time, budget_s=100.0).curve
    assert curve is not None
    assert curve.alone.seconds(32) == pytest.approx(PACKS.alone(32) / 1000)
    assert curve.busy_alone == curve.alone
    assert not curve.wide.points


def test_no_more_tokens_than_allowed() -> None:
    time = Time()
    subject = instances(PACKS, time)
    measure(subject, Texts(), 96, clock=time)
    assert max(sum(sizes) for fake in subject.narrow for sizes in fake.batches if len(sizes) > 1) == 96


def test_items_of_one_size_are_measured_by_their_number() -> None:
    time = Time()
    curve = measure(instances(PACKS, time), Texts(only=196), 800, clock=time, budget_s=100.0).curve
    assert curve is not None
    assert [tokens for tokens, _ in curve.alone.points] == [196]
    assert [tokens for tokens, _ in curve.together.points][:2] == [392, 588]


def test_a_model_that_fails_is_not_measured() -> None:
    class Broken(Fake):
        def execute(self, batch: Batch[int]) -> list[Any]:
            raise ModelFailed("no")

    time = Time()
    subject = Instances((Broken(time, len), Broken(time, len)))
    assert measure(subject, Texts(), 512, clock=time) == Measured()


def test_a_machine_that_did_other_work_meanwhile_is_told_from_one_that_did_not() -> None:
    time = Time()
    subject = instances(PACKS, time)
    assert not measure(subject, Texts(), 512, clock=time, cpu_clock=time).is_disturbed
    assert measure(subject, Texts(), 512, clock=time, cpu_clock=lambda: time() / 2).is_disturbed
