"""The scheduler alone, in one process: requests that cost nothing through queue, batch and answer.

`sections/scheduler.py` runs it as a process of its own, so that nothing else of the benchmark counts. It prints JSON.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from naiad.core.contracts import Batch
from naiad.scheduling.contract import Job, Scheduler

BATCH = 64
FEW, MANY = 100, 100_000
WAITING = 100_000


class Nothing:
    """A model that does nothing."""

    def execute(self, batch: Batch[Any]) -> Sequence[Any]:
        return batch.items

    def close(self) -> None:
        pass


class Clients:
    """Keeps so many requests under way, until as many as were wanted have been answered."""

    def __init__(self, scheduler: Scheduler, wanted: int) -> None:
        self._scheduler = scheduler
        self._left = self._missing = wanted
        self._is_over = asyncio.Event()

    async def run(self, under_way: int) -> float:
        """Processor seconds of this process for each request."""
        for _ in range(under_way):
            self._ask()
        begun = time.process_time()
        await self._is_over.wait()
        return (time.process_time() - begun) / self._answered(under_way)

    def _answered(self, under_way: int) -> int:
        return self._wanted - under_way

    def _ask(self) -> None:
        self._left -= 1
        self._scheduler.submit(Job(None, 1, self._done))

    def _done(self, job: Job, result: Any, is_final: bool) -> None:  # noqa: ARG002 - as jobs are answered
        if self._left > 0:
            self._ask()
        self._missing -= 1
        if not self._missing:
            self._is_over.set()
