"""Every kind of scheduler over every kind of instance: each job is answered to its end, exactly once, whatever happens.

A new kind of scheduler is a new row of `CONFIGS`, a new kind of instance one of `INSTANCES`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from newest_first import NEWEST_FIRST

from naiad.core.contracts import Batch, Instances, Send
from naiad.core.errors import Cancelled, DeadlineExceeded, Failed, InvalidRequest, NaiadError, NotReady, Overloaded
from naiad.core.message import SequenceStep
from naiad.core.model_config import DynamicBatching, ModelConfig, QueuePolicy, RateLimit, RateResource
from naiad.core.sequence_config import OldestFirst, SequenceBatching
from naiad.scheduling.contract import Job, Scheduler
from naiad.scheduling.kinds import KINDS, open_scheduler
from naiad.scheduling.rate_limiter.limiter import RateLimiter
from naiad.scheduling.rate_limiter.runner import RateLimitedRunner
from naiad.testing import ManualClock

LIMITED = DynamicBatching(default_queue_policy=QueuePolicy(default_timeout_s=60.0))

IDLE_S = 1e6

CONFIGS = {
    "direct sequences": ModelConfig("m", sequence_batching=SequenceBatching(max_idle_s=IDLE_S)),
    "oldest sequences": ModelConfig(
        "m",
        max_batch_size=4,
        sequence_batching=SequenceBatching(oldest=OldestFirst(max_candidates=1), max_idle_s=IDLE_S),
    ),
    "direct": ModelConfig("m", dynamic_batching=LIMITED),
    "adaptive": ModelConfig("m", max_batch_size=4, dynamic_batching=LIMITED),
    "dynamic": ModelConfig("m", max_batch_size=4, dynamic_batching=LIMITED, parameters={"batching": "immediate"}),
    "newest first": ModelConfig("m", dynamic_batching=LIMITED, parameters={"order": "newest first"}),
}
"""By kind: a configuration that asks for it."""


class Item:
    """What a job is about; for schedulers of sequences a whole sequence, of one step."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.sequence = SequenceStep(str(value), is_first=True, is_last=True)


class Plain:
    """Gives each item back; can be held. An item "bad" gets an error of its own, "boom" makes the whole batch fail."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.has_begun = threading.Event()
        self.is_closed = False

    def execute(self, batch: Batch[Any]) -> Sequence[Any]:
        self.has_begun.set()
        assert self.gate.wait(10)
        values = [item.value for item in batch.items]
        if "boom" in values:
            raise ValueError("broken model")
        return [InvalidRequest("bad") if value == "bad" else value for value in values]

    def close(self) -> None:
        self.is_closed = True


class Streaming(Plain):
    """The same one after the other, every item in two results, the last one from another thread."""

    capacity = 1

    def execute(self, batch: Batch[Any], send: Send) -> None:  # type: ignore[override]  # the other contract
        self.has_begun.set()
        assert self.gate.wait(10)
        for index, item in enumerate(item.value for item in batch.items):
            send(index, f"part of {item}", False)
            if item == "boom":
                raise ValueError("broken model")
            result = InvalidRequest("bad") if item == "bad" else item
            other = threading.Thread(target=send, args=(index, result, True))
            other.start()
            other.join()


INSTANCES: dict[str, Callable[[], Any]] = {"plain": Plain, "streaming": Streaming}


class House:
    """A scheduler over one instance, and what its jobs were told."""

    def __init__(self, kind: str, instance: Any, *, is_limited: bool) -> None:
        self.clock = ManualClock()
        self.instance = instance
        self.scheduler: Scheduler = open_scheduler(
            CONFIGS[kind], Instances((instance,)), max_waiting=8, clock=self.clock
        )
        if is_limited:
            limiter = RateLimiter({}, self.clock)
            (member,) = limiter.register([RateLimit((RateResource("R", 1),))])
            self.scheduler.limit([lambda runner: RateLimitedRunner(runner, limiter, member, lambda _: None)])
        self.told: list[tuple[Any, Any]] = []
        """Item and last result, in the order in which they came."""
        self._news = asyncio.Event()

    def job(self, item: Any) -> Job:
        return Job(Item(item), 1, self._done)

    def submit(self, *items: Any) -> list[Job]:
        jobs = [self.job(item) for item in items]
        for job in jobs:
            self.scheduler.submit(job)
        return jobs

    async def submit_and_begin(self, item: Any) -> Job:
        """Submit a job and hold it while it runs."""
        self.instance.gate.clear()
        (job,) = self.submit(item)
        assert await asyncio.to_thread(self.instance.has_begun.wait, 10)
        return job

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.told) < count:
                self._news.clear()
                await self._news.wait()

    def results(self) -> dict[Any, Any]:
        assert len({item for item, _ in self.told}) == len(self.told), "told once"
        return dict(self.told)

    def _done(self, job: Job, result: Any, is_final: bool) -> None:
        assert threading.current_thread() is threading.main_thread()
        value = job.item.value
        assert value not in dict(self.told), "nothing comes after the last"
        if not is_final:
            assert result == f"part of {value}"
            return
        self.told.append((value, result))
        self._news.set()


@pytest.fixture(params=sorted(CONFIGS))
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("naiad.scheduling.kinds.KINDS", [NEWEST_FIRST, *KINDS])
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["", "limited"])
def is_limited(request: pytest.FixtureRequest) -> bool:
    """Every execution asks the rate limiter first."""
    return bool(request.param)


@pytest.fixture(params=sorted(INSTANCES))
async def house(kind: str, is_limited: bool, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    house = House(kind, INSTANCES[request.param](), is_limited=is_limited)
    yield house
    house.instance.gate.set()
    house.scheduler.close()
    assert house.instance.is_closed


def test_every_kind_is_held_to_this_contract() -> None:
    assert sorted(CONFIGS) == sorted(kind.name for kind in [NEWEST_FIRST, *KINDS])


async def test_every_job_is_answered_once(house: House) -> None:
    house.submit(*range(5))
    house.scheduler.submit_all([house.job(item) for item in range(5, 8)])
    assert house.scheduler.pending == 8
    await house.until(8)
    await house.scheduler.quiet()
    assert house.scheduler.pending == 0
    assert house.results() == {item: item for item in range(8)}


async def test_a_job_that_waits_is_cancelled_at_once(house: House) -> None:
    await house.submit_and_begin("runs")
    (waits,) = house.submit("waits")
    assert house.scheduler.cancel(waits)
    assert not house.scheduler.cancel(waits)
    assert [type(result) for _, result in house.told] == [Cancelled]
    house.instance.gate.set()
    await house.until(2)
    assert house.results()["runs"] == "runs"


async def test_a_job_that_runs_is_not_cancelled_and_ends_as_ever(house: House) -> None:
    running = await house.submit_and_begin("runs")
    assert not house.scheduler.cancel(running)
    house.instance.gate.set()
    await house.until(1)
    assert house.results() == {"runs": "runs"}
    assert not house.scheduler.cancel(running)


async def test_drain_answers_everything_and_refuses_what_comes_later(house: House) -> None:
    await house.submit_and_begin("runs")
    house.submit("waits")
    draining = asyncio.ensure_future(house.scheduler.drain())
    await asyncio.sleep(0)
    for late in (lambda: house.submit("late"), lambda: house.scheduler.submit_all([house.job("late")])):
        with pytest.raises(NotReady, match="Server is stopping"):
            late()
    assert not draining.done()
    house.instance.gate.set()
    await asyncio.wait_for(draining, 10)
    assert house.results() == {"runs": "runs", "waits": "waits"}


async def test_drain_of_a_scheduler_with_nothing_to_do_returns(house: House) -> None:
    await house.scheduler.quiet()
    await house.scheduler.drain()


async def test_close_answers_what_waits_and_lets_what_runs_end(house: House) -> None:
    await house.submit_and_begin("runs")
    house.submit("waits")
    house.instance.gate.set()
    house.scheduler.close()
    await house.until(2)
    results = house.results()
    assert type(results["waits"]) is NotReady
    assert results["runs"] == "runs" or type(results["runs"]) is NotReady


async def test_an_error_of_an_item_is_its_own(house: House) -> None:
    house.submit("one", "bad", "two")
    await house.until(3)
    results = house.results()
    assert type(results.pop("bad")) is InvalidRequest
    assert results == {"one": "one", "two": "two"}


async def test_an_exception_is_an_answer_and_the_next_batch_runs(house: House) -> None:
    house.submit("before", "boom")
    await house.until(2)
    house.submit("after")
    await house.until(3)
    results = house.results()
    failed = results.pop("boom")
    assert isinstance(failed, Failed)
    assert failed.message == "ValueError: broken model"
    assert results == {"before": "before", "after": "after"}


async def test_a_full_queue_refuses_and_takes_again_when_there_is_room(house: House) -> None:
    await house.submit_and_begin("runs")
    (first, *_) = house.submit(*range(8))
    with pytest.raises(Overloaded, match="Exceeds maximum queue size"):
        house.submit("one too many")
    house.scheduler.cancel(first)
    with pytest.raises(Overloaded):
        house.scheduler.submit_all([house.job("fits"), house.job("does not")])
    house.submit("fits")
    house.instance.gate.set()
    await house.until(10)
    assert {item for item, result in house.told if not isinstance(result, NaiadError)} == {"runs", *range(1, 8), "fits"}


async def test_a_job_whose_time_is_over_leaves_the_queue(house: House) -> None:
    await house.submit_and_begin("runs")
    house.scheduler.submit(house.job("late"), timeout_us=60_000_000)
    house.clock.advance(61.0)
    house.submit("in time")
    await house.until(1)
    assert [type(result) for _, result in house.told] == [DeadlineExceeded]
    house.instance.gate.set()
    await house.until(3)
    assert {**house.results(), "late": None} == {"runs": "runs", "late": None, "in time": "in time"}
