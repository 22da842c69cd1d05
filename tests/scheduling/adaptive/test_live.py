"""The real scheduler with a real clock: clients that have fallen out of step are brought together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from naiad.core.contracts import Batch, Instances
from naiad.core.model.config import ModelConfig
from naiad.scheduling.contract import Execution, Job
from naiad.scheduling.kinds import open_scheduler

CLIENTS, RUN_S, THINK_S = 8, 0.010, 0.002
FULL_RUNS = 10
"""One after the other, that show that the clients stay together."""


class Sleeping:
    """A model that takes as long for eight as for one."""

    def execute(self, batch: Batch[Any]) -> Sequence[Any]:
        time.sleep(RUN_S)
        return batch.items

    def close(self) -> None:
        pass


async def test_halves_that_take_turns_become_full_batches() -> None:
    sizes: list[int] = []
    over = asyncio.Event()

    def ran(run: Execution) -> None:
        sizes.append(run.size)
        if sizes[-FULL_RUNS:] == [CLIENTS] * FULL_RUNS:
            over.set()

    scheduler = open_scheduler(ModelConfig("m", max_batch_size=CLIENTS), Instances((Sleeping(),)), ran)
    loop = asyncio.get_running_loop()

    def ask() -> None:
        scheduler.submit(Job(None, 1, done))

    def done(job: Job, result: Any, is_final: bool) -> None:
        if not over.is_set():
            loop.call_later(THINK_S, ask)

    for client in range(CLIENTS):
        loop.call_later(RUN_S / 2 * (client % 2), ask)
    try:
        await asyncio.wait_for(over.wait(), 10)
    finally:
        over.set()
        await asyncio.sleep(2 * THINK_S)
        await asyncio.wait_for(scheduler.quiet(), 10)
        scheduler.close()
    assert sizes[0] < CLIENTS, "they began in two groups"
