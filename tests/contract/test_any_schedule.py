"""Any schedule of jobs, failures, cancellations and time, to its end in either way, at every kind of scheduler.

With real instances in real threads; what the dynamic batcher does exactly is in tests/scheduling/properties.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest
from scheduler_house import House, Streaming

from naiad.core.errors import (
    Cancelled,
    DeadlineExceeded,
    Failed,
    InvalidRequest,
    ModelFailed,
    NaiadError,
    NotReady,
    Overloaded,
)
from naiad.scheduling.contract import Job

STEPS = 60
ENDINGS = ("good", "good", "good", "bad", "boom")


class Clients:
    """Whoever submits and cancels, by chance."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.choose = random.Random(seed)  # noqa: S311 - no secret
        self.accepted: list[Job] = []
        self.cancelled: list[str] = []
        self._number = 0

    def act(self) -> None:
        house, choose = self.house, self.choose
        match choose.choice(["submit", "submit", "submit together", "cancel", "hold", "release", "wait"]):
            case "submit":
                self._submit([self._job()])
            case "submit together":
                self._submit([self._job() for _ in range(choose.randint(2, 4))])
            case "cancel" if self.accepted:
                job = choose.choice(self.accepted)
                if house.scheduler.cancel(job):
                    self.cancelled.append(job.item.value)
            case "hold":
                house.instance.gate.clear()
            case "release":
                house.instance.gate.set()
            case "wait":
                house.clock.advance(choose.choice([0.1, 61.0]))

    def _job(self) -> Job:
        self._number += 1
        return self.house.job(f"{self._number} {self.choose.choice(ENDINGS)}")

    def _submit(self, jobs: list[Job]) -> None:
        with suppress(Overloaded):
            if len(jobs) == 1:
                self.house.scheduler.submit(jobs[0], timeout_us=self.choose.choice([0, 60_000_000]))
            else:
                self.house.scheduler.submit_all(jobs)
            self.accepted += jobs


@pytest.mark.parametrize("ending", ["drain", "close"])
@pytest.mark.parametrize("seed", range(3))
async def test_everybody_who_was_accepted_is_answered_once(house: House, seed: int, ending: str) -> None:
    clients = Clients(house, seed)
    for _ in range(STEPS):
        clients.act()
        for _ in range(clients.choose.randint(0, 3)):
            await asyncio.sleep(0)
    house.instance.gate.set()
    if ending == "drain":
        await asyncio.wait_for(house.scheduler.drain(), 10)
    else:
        house.scheduler.close()
    await house.until(len(clients.accepted))
    results = house.results()
    assert sorted(results) == sorted(job.item.value for job in clients.accepted)
    assert house.scheduler.pending == 0
    for value, result in results.items():
        if value in clients.cancelled:
            assert type(result) is Cancelled
        elif not isinstance(result, DeadlineExceeded | NotReady):
            check(value, result, house)
        else:
            assert ending == "close" or type(result) is DeadlineExceeded


def check(value: str, result: object, house: House) -> None:
    """It is the item's own: its result, or its error; a stream that breaks breaks for all that are still in it."""
    if isinstance(house.instance, Streaming) and type(result) is ModelFailed:
        return
    if value.endswith("good"):
        assert result == value
    else:
        assert isinstance(result, NaiadError)
        assert type(result) is InvalidRequest if value.endswith("bad") else isinstance(result, Failed)
