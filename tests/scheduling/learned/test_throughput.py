"""Simulated service with clients that ask again as soon as they are answered: the learned rule against all others."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count

import pytest
from machines import MACHINES, Machine

from naiad.scheduling.decision import Policy, Run, Situation
from naiad.scheduling.dynamic import DynamicRule, decide_dynamic
from naiad.scheduling.learned.rule import decide_learned
from naiad.testing import ManualClock

INSTANCES = 2
TEXTS = 1500


@dataclass
class Item:
    size: int
    queued_s: float
    shape_key: None = None


def lengths(count: int = TEXTS) -> list[int]:
    """Tokens of short and long texts, about 30 on average."""
    source = random.Random(7)  # noqa: S311
    return [max(4, min(400, round(source.lognormvariate(3.2, 0.7)))) for _ in range(count)]


class Service:
    """One encoder on a made-up machine, with clients in a closed loop."""

    def __init__(self, machine: Machine, decide: Policy, prefers_wide: Callable[[int], bool]) -> None:
        self._machine = machine
        self._decide = decide
        self._prefers_wide = prefers_wide
        self._clock = ManualClock(0.0)
        self._events: list[tuple[float, int, str, int]] = []
        self._order = count()
        self._waiting: list[Item] = []
        self._running = 0
        self._served = 0

    def texts_per_s(self, clients: int) -> float:
        """Answer all texts."""
        source = random.Random(3)  # noqa: S311
        texts = iter(lengths())
        for _ in range(clients):
            self._after(source.uniform(0, 0.001), "ask", 0)
        while self._events:
            self._clock.now_s, _, event, number = heapq.heappop(self._events)
            if event == "ask":
                if (size := next(texts, None)) is not None:
                    self._waiting.append(Item(size, self._clock.now_s))
            else:
                self._running -= 1
                self._served += number
                for _ in range(number):
                    self._after(source.uniform(0.0001, 0.001), "ask", 0)
            self._start()
        assert self._served == TEXTS
        return TEXTS / self._clock.now_s

    def _start(self) -> None:
        while self._waiting and self._running < INSTANCES:
            lone = len(self._waiting) == 1 and not self._running
            decision = self._decide(Situation(self._waiting[:64], self._clock.now_s, INSTANCES - self._running))
            assert isinstance(decision, Run)
            taken = [self._waiting[index].size for index in decision.picks]
            self._waiting = [item for at, item in enumerate(self._waiting) if at not in set(decision.picks)]
            self._running += 1
            goes_on = bool(self._waiting) or self._running > 1
            seconds = self._machine.seconds(len(taken), sum(taken), busy=goes_on)
            if lone and self._prefers_wide(taken[0]):
                seconds = self._machine.alone(taken[0]) * self._machine.wide / 1000
            self._after(seconds, "answer", len(taken))

    def _after(self, seconds: float, event: str, number: int) -> None:
        heapq.heappush(self._events, (self._clock.now_s + seconds, next(self._order), event, number))


def best_offline(machine: Machine) -> float:
    """Texts/s of the best way that sees all texts before it begins: sorted, in packs of the best size."""
    sizes = sorted(lengths(), reverse=True)
    rates = []
    for limit in (0, 32, 64, 96, 128, 160, 192, 256, 384, 512):
        packs: list[list[int]] = []
        for size in sizes:
            if packs and sum(packs[-1]) + size <= limit:
                packs[-1].append(size)
            else:
                packs.append([size])
        for busy, instances in ((False, 1), (True, INSTANCES)):
            seconds = sum(machine.seconds(len(pack), sum(pack), busy=busy) for pack in packs)
            rates.append(TEXTS * instances / seconds)
    return max(rates)


def learned(machine: Machine) -> Service:
    rule = machine.rule()
    return Service(machine, partial(decide_learned, rule=rule), rule.prefers_wide)


def one_by_one(machine: Machine) -> Service:
    return Service(machine, partial(decide_dynamic, rule=DynamicRule(max_batch_size=1)), machine.rule().prefers_wide)


@pytest.mark.parametrize("machine", MACHINES, ids=str)
def test_many_clients_are_served_nearly_as_fast_as_if_all_texts_were_known_before(machine: Machine) -> None:
    assert learned(machine).texts_per_s(32) >= 0.90 * best_offline(machine)


@pytest.mark.parametrize("clients", [1, 2, 4, 8, 32])
@pytest.mark.parametrize("machine", MACHINES, ids=str)
def test_never_below_one_text_at_a_time(machine: Machine, clients: int) -> None:
    assert learned(machine).texts_per_s(clients) >= 0.99 * one_by_one(machine).texts_per_s(clients)
