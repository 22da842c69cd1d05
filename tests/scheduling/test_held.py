"""Schedulers that are held until so many requests wait, as Triton's own tests ask for."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from naiad.core.contracts import Instances
from naiad.core.message import InferRequest, SequenceStep
from naiad.core.model.config import DynamicBatching, ModelConfig
from naiad.core.model.sequences import SequenceBatching
from naiad.scheduling.contract import Job
from naiad.scheduling.decision import Run, Situation, WaitUntil
from naiad.scheduling.held import BACKLOG_DELAY, DELAY, held
from naiad.scheduling.kinds import open_scheduler
from naiad.testing import FakeInstance


def run(situation: Situation) -> Run:
    return Run((0,))


@pytest.mark.parametrize("text", ["", "0", "x", "-1", "1.5", "9999999999"])
def test_without_a_number_nothing_is_held(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(DELAY, text)
    assert held(run, (DELAY, lambda: 0)) is run


def test_it_holds_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DELAY, "3")
    waiting = 2
    policy = held(run, (DELAY, lambda: waiting), (BACKLOG_DELAY, lambda: 0))
    situation = Situation((), 0.0)
    assert policy(situation) == WaitUntil(math.inf)
    waiting = 3
    assert policy(situation) == Run((0,))
    waiting = 1
    assert policy(situation) == Run((0,))


async def test_a_batcher_waits_for_so_many_and_then_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DELAY, "100")
    instance = FakeInstance()
    config = ModelConfig("m", max_batch_size=128, dynamic_batching=DynamicBatching())
    scheduler = open_scheduler(config, Instances((instance,)))
    for item in range(99):
        scheduler.submit(Job(item, 1, lambda *_: None))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (scheduler.pending, instance.batches) == (99, [])
    scheduler.submit(Job(99, 1, lambda *_: None))
    await asyncio.wait_for(scheduler.quiet(), 10)
    assert [len(batch) for batch in instance.batches] == [100]
    scheduler.submit(Job("one", 1, lambda *_: None))
    await asyncio.wait_for(scheduler.quiet(), 10)
    assert len(instance.batches) == 2
    scheduler.close()


async def test_a_model_without_a_batcher_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DELAY, "2")
    instance = FakeInstance()
    scheduler = open_scheduler(ModelConfig("m", max_batch_size=8), Instances((instance,)))
    scheduler.submit(Job("one", 1, lambda *_: None))
    await asyncio.wait_for(scheduler.quiet(), 10)
    assert instance.batches == [["one"]]
    scheduler.close()


async def test_sequences_wait_for_steps_and_for_the_backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DELAY, "2")
    monkeypatch.setenv(BACKLOG_DELAY, "1")
    done: list[Any] = []
    config = ModelConfig("m", sequence_batching=SequenceBatching())
    scheduler = open_scheduler(config, Instances((FakeInstance(lambda _: None),)))

    def submit(sequence: int, name: str, *, first: bool = False) -> None:
        request = InferRequest("m", id=name, sequence=SequenceStep(sequence, first, name.endswith("!")))
        scheduler.submit(Job(request, 1, lambda job, *_: done.append(job.item.id)))

    submit(1, "a", first=True)
    submit(1, "b!")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (scheduler.pending, done) == (2, [])
    submit(2, "c!", first=True)
    await asyncio.wait_for(scheduler.quiet(), 10)
    assert done == ["a", "b!", "c!"]
    scheduler.close()
