"""What a scheduler counts of its decisions."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from functools import partial
from typing import Any

from naiad.scheduling.batching.scheduler import BatchScheduler
from naiad.scheduling.batching.tally import Tally, tally_of
from naiad.scheduling.contract import Job
from naiad.scheduling.dynamic import DynamicRule, decide_dynamic
from naiad.scheduling.runners.thread import ThreadRunner
from naiad.testing import FakeInstance, ManualClock


class House:
    """A scheduler whose turns are taken by hand."""

    def __init__(self, rule: DynamicRule, instances: int = 1) -> None:
        self.clock = ManualClock()
        self.answered = 0
        runners = [ThreadRunner(FakeInstance(), f"i{at}") for at in range(instances)]
        self.scheduler = BatchScheduler(runners, partial(decide_dynamic, rule=rule), clock=self.clock)

    def submit(self, *keys: Hashable) -> None:
        for key in keys:
            self.scheduler.submit(Job("x", 1, self._done, key))
        self.scheduler.turn()

    async def quiet(self) -> Tally:
        await asyncio.wait_for(self.scheduler.quiet(), 10)
        tally = self.scheduler.tally
        self.scheduler.close()
        return tally

    def _done(self, *_: Any) -> None:
        self.answered += 1


async def test_nothing_is_counted_where_nothing_waits_and_all_fit() -> None:
    house = House(DynamicRule(4), instances=2)
    house.submit("a", "a", "a")
    assert await house.quiet() == Tally(instances=2, runs_inline=False, waits=0, waited_s=0.0, splits=0)


async def test_a_wait_is_counted_once_however_often_it_is_asked_about() -> None:
    house = House(DynamicRule(4, max_delay_s=1.0))
    house.submit("a")
    for _ in range(3):
        house.clock.advance(0.25)
        house.scheduler.turn()
    house.clock.advance(0.25)
    house.scheduler.turn()
    tally = await house.quiet()
    assert (tally.waits, tally.waited_s) == (1, 1.0)


async def test_a_batch_that_ends_at_another_shape_is_a_split_and_one_that_is_full_is_none() -> None:
    house = House(DynamicRule(2))
    house.submit("a", "a", "a", "b")
    tally = await house.quiet()
    assert (tally.splits, house.answered) == (1, 4)


def test_what_does_not_count_is_not_asked() -> None:
    assert tally_of(object()) is None
