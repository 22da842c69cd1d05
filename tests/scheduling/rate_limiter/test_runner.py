"""Schedulers whose executions wait for resources: batches grow meanwhile, and nobody is forgotten."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from naiad.core.errors import Cancelled, DeadlineExceeded, NotReady
from naiad.core.model.config import QueuePolicy, RateLimit, RateResource
from naiad.scheduling.batching.scheduler import BatchScheduler
from naiad.scheduling.contract import Execution, Job
from naiad.scheduling.dynamic import DynamicRule, decide_dynamic
from naiad.scheduling.queue import JobQueue
from naiad.scheduling.rate_limiter.limiter import RateLimiter
from naiad.scheduling.rate_limiter.runner import RateLimitedRunner
from naiad.scheduling.runners.thread import ThreadRunner
from naiad.testing import FakeInstance, ManualClock

ONE = RateLimit((RateResource("R", 1),))


class House:
    """Models that share one resource; each is one instance that can be held."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.limiter = RateLimiter({}, self.clock)
        self.told: list[tuple[Any, Any]] = []
        self.waits: list[float] = []
        self.runners: list[RateLimitedRunner] = []
        self.schedulers: list[BatchScheduler] = []
        self._news = asyncio.Event()

    def model(self, instance: FakeInstance, rule: DynamicRule | None = None, **options: Any) -> BatchScheduler:
        policy = partial(decide_dynamic, rule=rule or DynamicRule(8))
        scheduler = BatchScheduler([ThreadRunner(instance, "i")], policy, clock=self.clock, **options)
        (member,) = self.limiter.register([ONE])

        def wrap(runner: Any) -> RateLimitedRunner:
            self.runners.append(RateLimitedRunner(runner, self.limiter, member, self.waits.append))
            return self.runners[-1]

        scheduler.limit([wrap])
        self.schedulers.append(scheduler)
        return scheduler

    def job(self, item: Any) -> Job:
        return Job(item, 1, self._done)

    def _done(self, job: Job, result: Any, is_final: bool) -> None:
        self.told.append((job.item, result))
        self._news.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.told) < count:
                self._news.clear()
                await self._news.wait()

    @property
    def taken(self) -> int:
        return sum(row.used for row in self.limiter.usage())


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    for scheduler in house.schedulers:
        scheduler.close()


async def busy(house: House, instance: FakeInstance, scheduler: BatchScheduler) -> None:
    instance.hold()
    scheduler.submit(house.job("busy"))
    await asyncio.sleep(0)
    await asyncio.to_thread(instance.started.acquire)


async def test_one_runs_at_a_time_and_what_waits_becomes_one_batch(house: House) -> None:
    first, second = FakeInstance(), FakeInstance()
    a, b = house.model(first), house.model(second)
    await busy(house, first, a)
    for item in range(3):
        b.submit(house.job(item))
        await asyncio.sleep(0)
    assert (b.pending, second.batches, house.taken) == (3, [], 1)
    first.release()
    await house.until(4)
    assert second.batches == [[0, 1, 2]]
    await asyncio.gather(a.quiet(), b.quiet())
    assert (house.taken, [runner.waiting for runner in house.runners]) == (0, [0, 0])


async def test_they_take_turns_though_the_one_that_has_run_is_the_first_to_ask(house: House) -> None:
    order: list[str] = []
    a, b = (
        house.model(FakeInstance(lambda item, name=name: order.append(name)), DynamicRule(1)) for name in ("a", "b")
    )
    for number in range(4):
        a.submit(house.job(f"a{number}"))
        b.submit(house.job(f"b{number}"))
    await house.until(8)
    assert "".join(order) == "abababab"


async def test_who_waits_for_resources_can_be_cancelled_or_expire(house: House) -> None:
    first, second = FakeInstance(), FakeInstance()
    a = house.model(first)
    b = house.model(second, queue=JobQueue(QueuePolicy(default_timeout_s=60.0)))
    await busy(house, first, a)
    jobs = [house.job(name) for name in ("cancelled", "late")]
    for job in jobs:
        b.submit(job)
    await asyncio.sleep(0)
    assert b.cancel(jobs[0])
    house.clock.advance(61.0)
    b.turn()
    assert [(item, type(result)) for item, result in house.told] == [
        ("cancelled", Cancelled),
        ("late", DeadlineExceeded),
    ]
    assert house.runners[1].waiting == 0, "nothing waits any more, so that nobody is in line for it"
    first.release()
    await a.quiet()
    b.submit(house.job("next"))
    await house.until(4)
    assert second.batches == [["next"]]


async def test_leave_is_given_back_while_the_policy_waits(house: House) -> None:
    a = house.model(FakeInstance(), DynamicRule(8, (8,), 60.0))
    b = house.model(FakeInstance())
    a.submit(house.job("waits for company"))
    await asyncio.sleep(0)
    assert house.taken == 0
    b.submit(house.job("runs"))
    await house.until(1)
    assert house.told == [("runs", "runs")]
    house.clock.advance(61.0)
    a.turn()
    await house.until(2)


class Listener:
    def __init__(self) -> None:
        self.results: list[Any] = []
        self.over = asyncio.Event()

    def sent(self, execution: Execution, index: int, result: Any, is_final: bool) -> None:
        raise AssertionError("no streaming instance")

    def finished(self, execution: Execution, results: Any) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.results += results
        self.over.set()


async def test_an_execution_without_leave_waits_in_line_as_it_is(house: House) -> None:
    first, second = FakeInstance(), FakeInstance()
    a = house.model(first)
    house.model(second)
    await busy(house, first, a)
    listener, runner = Listener(), house.runners[1]
    kept, recalled = (Execution([house.job(name)]) for name in ("kept", "recalled"))
    runner.start(recalled, listener)
    runner.start(kept, listener)
    assert runner.waiting == 2
    assert runner.recall(recalled)
    first.release()
    async with asyncio.timeout(10):
        await listener.over.wait()
    assert (listener.results, second.batches) == (["kept"], [["kept"]])
    assert not runner.recall(kept)


async def test_what_is_in_line_when_its_model_goes_is_answered_and_takes_nothing(house: House) -> None:
    first, second = FakeInstance(), FakeInstance()
    a, b = house.model(first), house.model(second)
    await busy(house, first, a)
    listener = Listener()
    house.runners[1].start(Execution([house.job("in line")]), listener)
    b.submit(house.job("waits"))
    await asyncio.sleep(0)
    await asyncio.wait_for(asyncio.to_thread(b.close), 10)
    house.schedulers.remove(b)
    assert [type(result) for result in listener.results] == [NotReady]
    assert [(item, type(result)) for item, result in house.told] == [("waits", NotReady)]
    first.release()
    await a.quiet()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (house.taken, second.batches) == (0, [])


async def test_a_wide_instance_is_done_without(house: House) -> None:
    wide = FakeInstance()
    scheduler = house.model(FakeInstance(), wide=ThreadRunner(wide, "wide"))
    assert wide.is_closed
    scheduler.submit(house.job(1))
    await house.until(1)


async def test_a_batch_on_the_loop_lets_others_in(house: House) -> None:
    order: list[str] = []
    models = []
    for name in "ab":
        scheduler = house.model(FakeInstance(lambda item, name=name: order.append(name)), DynamicRule(1))
        house.runners[-1]._runner.runs_inline = True  # type: ignore[misc]  # as after some short runs
        models.append(scheduler)
    for number in range(3):
        for scheduler in models:
            scheduler.submit(house.job(number))
    await house.until(6)
    assert "".join(order) == "ababab"
