"""Any schedule of models that share resources: nothing is taken twice, everything is answered once, nothing is left."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from naiad.core.contracts import Batch
from naiad.core.model.config import RateLimit, RateResource
from naiad.scheduling.batching.scheduler import BatchScheduler
from naiad.scheduling.contract import Job
from naiad.scheduling.dynamic import DynamicRule, decide_dynamic
from naiad.scheduling.rate_limiter.limiter import RateLimiter
from naiad.scheduling.rate_limiter.runner import RateLimitedRunner
from naiad.scheduling.runners.thread import ThreadRunner

RUN_S = 0.001
THERE_ARE = {"R": 4, "S": 2}

NEEDS = st.dictionaries(st.sampled_from(sorted(THERE_ARE)), st.integers(0, 2), max_size=2)
MODELS = st.lists(st.tuples(st.lists(NEEDS, min_size=1, max_size=3), st.integers(0, 4)), min_size=1, max_size=4)
"""Of each model: what its instances need, and their priority."""
STEPS = st.lists(st.tuples(st.sampled_from(["submit", "cancel", "turn", "fail"]), st.integers(0, 11)), max_size=40)


class Meter:
    """What runs right now takes, as the instances themselves count it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.others_may_run = threading.Event()
        """Never set: an execution takes a moment, in which others may wait for what it takes."""
        self._taken: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    def change(self, need: dict[str, int], sign: int) -> None:
        with self._lock:
            for name, count in need.items():
                self._taken[name] += sign * count
                self.most[name] = max(self.most[name], self._taken[name])


class Counting:
    """An instance that takes what it needs while it runs; fails for items that say so."""

    def __init__(self, need: dict[str, int], meter: Meter) -> None:
        self._need, self._meter = need, meter

    def execute(self, batch: Batch[Any]) -> Sequence[Any]:
        self._meter.change(self._need, 1)
        self._meter.others_may_run.wait(RUN_S)
        try:
            if "fail" in batch.items:
                raise ValueError("broken model")
            return list(batch.items)
        finally:
            self._meter.change(self._need, -1)

    def close(self) -> None:
        pass


def model(limiter: RateLimiter, meter: Meter, needs: list[dict[str, int]], priority: int) -> BatchScheduler:
    runners = [ThreadRunner(Counting(need, meter), f"i{at}") for at, need in enumerate(needs)]
    scheduler = BatchScheduler(runners, partial(decide_dynamic, rule=DynamicRule(3)))
    limits = [RateLimit(tuple(RateResource(*one) for one in need.items()), priority) for need in needs]
    members = limiter.register(limits)

    def wrap(member: Any, runner: Any) -> RateLimitedRunner:
        return RateLimitedRunner(runner, limiter, member, lambda _: None)

    scheduler.limit([partial(wrap, member) for member in members])
    return scheduler


@settings(max_examples=60)
@given(MODELS, STEPS)
def test_any_schedule_of_models_that_share_resources(
    models: list[tuple[list[dict[str, int]], int]], steps: list[tuple[str, int]]
) -> None:
    async def run() -> None:
        limiter, meter = RateLimiter({("every", name): count for name, count in THERE_ARE.items()}), Meter()
        schedulers = [model(limiter, meter, *one) for one in models]
        told: Counter[int] = Counter()
        jobs: list[tuple[BatchScheduler, Job]] = []
        for step, number in steps:
            if step == "turn":
                await asyncio.sleep(0)
            elif step == "cancel" and jobs:
                scheduler, job = jobs[number % len(jobs)]
                scheduler.cancel(job)
            elif step in ("submit", "fail"):
                scheduler = schedulers[number % len(schedulers)]
                job = Job("fail" if step == "fail" else number, 1, lambda job, *_: told.update([job.owner]))
                job.owner = len(jobs)
                jobs.append((scheduler, job))
                scheduler.submit(job)
        async with asyncio.timeout(20):
            await asyncio.gather(*(scheduler.drain() for scheduler in schedulers))
        assert told == Counter(range(len(jobs)))
        assert all(meter.most[name] <= count for name, count in THERE_ARE.items())
        await asyncio.sleep(0)
        assert [row.used for row in limiter.usage() if row.used] == []
        for scheduler in schedulers:
            scheduler.close()
        assert list(limiter.usage()) == []

    asyncio.run(run())
