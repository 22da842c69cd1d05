"""The scheduler alone, in one process: requests that cost nothing through queue, batch and answer.

`sections/scheduler.py` runs it as a process of its own, so that nothing else of the benchmark counts. It prints JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from naiad.core.contracts import Batch, Instances
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import ModelConfig
from naiad.core.tensor import Tensor
from naiad.scheduling.contract import Job, Scheduler
from naiad.scheduling.kinds import open_scheduler
from naiad.serving.engine import Engine
from naiad.testing import FakeInstance, engine

BATCH = 64
FEW, MANY = 100, 100_000
REQUESTS = 500_000
WAITING = 100_000
CONFIG = """name: "m"
max_batch_size: 64
input [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 4 ] } ]
"""


class Nothing:
    """A model that does nothing."""

    def execute(self, batch: Batch[Any]) -> Sequence[Any]:
        return batch.items

    def close(self) -> None:
        pass


async def seconds_each(under_way: int, requests: int = REQUESTS, *, inline: bool = True) -> float:
    """Processor seconds of this process for each request, while so many wait or run all the time."""
    config = ModelConfig("m", max_batch_size=BATCH)
    scheduler = open_scheduler(config, Instances((Nothing(),), may_inline=inline))
    found = await _Clients(scheduler, requests).run(under_way)
    await scheduler.quiet()
    scheduler.close()
    return found


class _Clients:
    """Ask again as soon as they are answered; the first tenth of the requests is for warming up."""

    def __init__(self, scheduler: Scheduler, requests: int) -> None:
        self._scheduler = scheduler
        self._warm, self._wanted = requests // 10, requests
        self._answered = 0
        self._begun_s = self._ended_s = 0.0
        self._over = asyncio.Event()

    async def run(self, under_way: int) -> float:
        for _ in range(under_way):
            self._scheduler.submit(Job(None, 1, self._done))
        await self._over.wait()
        return (self._ended_s - self._begun_s) / (self._wanted - self._warm)

    def _done(self, job: Job, result: Any, is_final: bool) -> None:  # noqa: ARG002 - as jobs are answered
        self._answered += 1
        if self._answered == self._warm:
            self._begun_s = time.process_time()
        if self._answered < self._wanted:
            self._scheduler.submit(Job(None, 1, self._done))
        elif self._answered == self._wanted:
            self._ended_s = time.process_time()
            self._over.set()


async def bytes_each() -> float:
    """Resident bytes of each waiting request, with all that the engine keeps of it; its 16 bytes of data included."""
    held = FakeInstance(lambda _: InferResponse("m", "1", []), is_held=True)
    serving = engine(CONFIG, held)
    await _submit(serving, 1)
    gc.collect()
    before = _resident_bytes()
    await _submit(serving, WAITING)
    gc.collect()
    grown = _resident_bytes() - before
    held.release()
    await serving.drain()
    return grown / WAITING


async def _submit(serving: Engine, count: int) -> None:
    data = np.zeros((1, 4), np.float32)
    for _ in range(count):
        request = InferRequest("m", inputs={"x": Tensor("x", "FP32", data.copy())})
        serving.submit(serving.route("m"), request, lambda *_: None)
    await asyncio.sleep(0)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    waiting = uvloop.run(bytes_each())
    costs = {str(count): min(uvloop.run(seconds_each(count)) for _ in range(3)) for count in (FEW, MANY)}
    threaded = min(uvloop.run(seconds_each(BATCH, inline=False)) for _ in range(3))
    print(json.dumps({"bytes": waiting, "seconds": costs, "threaded_s": threaded}))


if __name__ == "__main__":
    main()
