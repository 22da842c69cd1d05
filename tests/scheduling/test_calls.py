"""How many functions a job passes through: every request pays for them, so a new one needs a reason."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import naiad.scheduling
from naiad.core.contracts import Batch, Instances
from naiad.core.model.config import ModelConfig
from naiad.scheduling.contract import Job, Scheduler
from naiad.scheduling.kinds import open_scheduler
from naiad.scheduling.runners.thread import INLINE_AFTER_RUNS

HOME = str(Path(naiad.scheduling.__file__).parent)

LONE_CALLS = 15
"""Of a job that comes alone and runs on the loop; looks of the lingering loop apart."""

COMPANY_CALLS = 3
"""Of each further job that shares its batch: made, submitted, queued."""

CHOICE_CALLS = 1
"""Of a batch of several: the rule by which they are chosen."""


class Echo:
    def execute(self, batch: Batch[Any]) -> Sequence[Any]:
        return batch.items

    def close(self) -> None:
        pass


async def calls_of(scheduler: Scheduler, jobs: int) -> list[str]:
    """The functions of this folder that are called from making the jobs until all have been answered."""
    called: list[str] = []
    answered = asyncio.Event()
    missing = jobs

    def note(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(HOME) and code.co_qualname != "Lingering._look":
            called.append(code.co_qualname)

    def done(job: Job, result: Any, is_final: bool) -> None:
        nonlocal missing
        missing -= 1
        if not missing:
            answered.set()

    def submit(done: Callable[[Job, Any, bool], None]) -> None:
        for item in range(jobs):
            scheduler.submit(Job(item, 1, done))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        submit(done)
        await asyncio.wait_for(answered.wait(), 10)
    finally:
        sys.setprofile(before)
    return called


async def test_a_job_passes_few_functions() -> None:
    scheduler = open_scheduler(ModelConfig("m", max_batch_size=8), Instances((Echo(),), may_inline=True))
    for jobs in (*[1] * (INLINE_AFTER_RUNS + 1), 5):
        await calls_of(scheduler, jobs)
    lone = await calls_of(scheduler, 1)
    assert len(lone) <= LONE_CALLS, "\n".join(lone)
    five = await calls_of(scheduler, 5)
    assert len(five) <= len(lone) + 4 * COMPANY_CALLS + CHOICE_CALLS, "\n".join(five)
    scheduler.close()
