"""Simulated services: how much is answered, how soon, and who waits for whom."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

import pytest
from simulated import Seconds, Served, Service, affine

from naiad.scheduling.adaptive.batching import AdaptiveBatching
from naiad.scheduling.decision import Decision, Policy, Situation, WaitUntil
from naiad.scheduling.dynamic import DynamicRule, decide_dynamic

MOST = 8
CURVES = {"by the run": affine(10, 0), "half and half": affine(5, 1), "by the row": affine(0.01, 2)}
THINKS: dict[str, Callable[[random.Random], float]] = {
    "a round trip": lambda chance: chance.uniform(0.0008, 0.0012),
    "more or less": lambda chance: chance.expovariate(1000),
    "far away": lambda chance: chance.uniform(0.002, 0.004),
}
by_curve = pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES)
by_think = pytest.mark.parametrize("think", THINKS.values(), ids=THINKS)


def immediate(most: int = MOST) -> Policy:
    return partial(decide_dynamic, rule=DynamicRule(most))


def at_least(count: int) -> Policy:
    """Wait for so many, but not longer than twenty milliseconds."""

    def decide(situation: Situation) -> Decision:
        until_s = max(situation.free_s, situation.waiting[0].queued_s) + 0.02
        if len(situation.waiting) < count and situation.now < until_s - 1e-9:
            return WaitUntil(until_s)
        return decide_dynamic(situation, DynamicRule(MOST))

    return decide


def closed(policy: Policy, curve: Seconds, clients: int, think: Callable[[random.Random], float]) -> Served:
    return Service(policy, curve, most=MOST).closed(clients, think, requests=600)


def test_eight_clients_fill_the_batches_of_eight() -> None:
    """Ten milliseconds a batch, a millisecond to come back: 727 a second; without waiting, halves alternate."""
    served = closed(AdaptiveBatching(MOST), affine(10, 0), 8, THINKS["a round trip"])
    assert served.sizes[-12:-2] == [8] * 10
    assert served.per_second >= 0.95 * 8 / 0.0112
    assert closed(immediate(), affine(10, 0), 8, THINKS["a round trip"]).per_second < 0.6 * served.per_second


@by_think
@by_curve
@pytest.mark.parametrize("clients", [2, 3, 8, 12])
def test_as_fast_as_the_best_that_knows_how_many_to_wait_for(
    curve: Seconds, clients: int, think: Callable[[random.Random], float]
) -> None:
    ours = closed(AdaptiveBatching(MOST), curve, clients, think).per_second
    best = max(closed(at_least(count), curve, clients, think).per_second for count in {1, 2, 4, min(clients, MOST)})
    assert ours >= 0.9 * best


@by_think
@by_curve
def test_one_client_waits_for_nobody(curve: Seconds, think: Callable[[random.Random], float]) -> None:
    assert max(closed(AdaptiveBatching(MOST), curve, 1, think).waits) == 0


@by_think
@by_curve
@pytest.mark.parametrize("clients", [2, 5, 8])
def test_nobody_waits_longer_than_answering_the_first_takes(
    curve: Seconds, clients: int, think: Callable[[random.Random], float]
) -> None:
    assert max(closed(AdaptiveBatching(MOST), curve, clients, think).waits) <= curve(1) * 1.000001


def test_after_seven_of_eight_clients_have_left_the_last_waits_no_more() -> None:
    batching = AdaptiveBatching(MOST)
    closed(batching, affine(10, 0), 8, THINKS["a round trip"])
    served = Service(batching, affine(10, 0), begin_s=100).closed(1, THINKS["a round trip"], requests=20)
    assert [round(wait, 6) for wait in served.waits[4:]] == [0.0] * 16
    assert sum(served.waits) <= 0.01


def poisson(per_second: float) -> Iterator[float]:
    chance, at = random.Random(1), 0.0  # noqa: S311
    while True:
        at += chance.expovariate(per_second)
        yield at


@by_curve
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_those_that_come_whenever_they_like_are_answered_as_soon_as_without_waiting(
    curve: Seconds, share: float
) -> None:
    """share: of what one run after the other of full batches could answer."""
    rate = share * MOST / curve(MOST)
    ours, theirs = (
        Service(policy, curve, most=MOST).open(islice(poisson(rate), 1500))
        for policy in (AdaptiveBatching(MOST), immediate())
    )
    assert ours.mean_s <= 1.05 * theirs.mean_s


def test_a_burst_runs_as_one_batch_once_bursts_are_known() -> None:
    """Fifty requests every tenth of a second; without waiting one runs first, and all others wait for it."""
    chance = random.Random(2)  # noqa: S311
    bursts = [burst * 0.1 + chance.uniform(0, 0.002) for burst in range(30) for _ in range(50)]
    ours, theirs = (
        Service(policy, affine(10, 0), most=64).open(sorted(bursts)) for policy in (AdaptiveBatching(64), immediate(64))
    )
    assert ours.sizes[-10:] == [50] * 10
    assert ours.mean_s < 0.75 * theirs.mean_s
    assert max(ours.latencies[-500:]) < 0.013


@pytest.mark.parametrize("clients", [4, 8, 16])
def test_two_instances_are_both_kept_busy(clients: int) -> None:
    ours, theirs = (
        Service(policy, affine(5, 1), most=MOST, instances=2).closed(clients, THINKS["a round trip"], requests=600)
        for policy in (AdaptiveBatching(MOST), immediate())
    )
    assert ours.per_second >= 0.95 * theirs.per_second


def test_noise_does_not_end_it() -> None:
    """Runs that take up to a third longer, clients that are late now and then."""

    def think(chance: random.Random) -> float:
        return 0.001 if chance.random() > 0.01 else 0.008

    ours = Service(AdaptiveBatching(MOST), affine(10, 0), jitter=0.3).closed(8, think, requests=1500)
    theirs = Service(immediate(), affine(10, 0), jitter=0.3).closed(8, think, requests=1500)
    assert ours.per_second > 1.4 * theirs.per_second
