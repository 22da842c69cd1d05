"""A scheduler of any kind over an instance of any kind, which can be held and can fail, and what its jobs were told.

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
from naiad.core.errors import InvalidRequest
from naiad.core.message import SequenceStep
from naiad.core.model.config import DynamicBatching, ModelConfig, QueuePolicy, RateLimit, RateResource
from naiad.core.model.sequences import OldestFirst, SequenceBatching
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
    """Gives each item back; can be held.

    An item whose name ends in "bad" gets an error of its own; one that ends in "boom" makes the whole batch fail.
    """

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.has_begun = threading.Event()
        self.is_closed = False

    def execute(self, batch: Batch[Any]) -> Sequence[Any]:
        self.has_begun.set()
        assert self.gate.wait(10)
        values = [item.value for item in batch.items]
        if any(str(value).endswith("boom") for value in values):
            raise ValueError("broken model")
        return [InvalidRequest("bad") if str(value).endswith("bad") else value for value in values]

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
            if str(item).endswith("boom"):
                raise ValueError("broken model")
            result = InvalidRequest("bad") if str(item).endswith("bad") else item
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
