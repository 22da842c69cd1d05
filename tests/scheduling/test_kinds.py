"""Which scheduler a configuration asks for, seen by how it joins, orders and bounds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from naiad.core.contracts import Batch, Instances
from naiad.core.errors import Overloaded
from naiad.core.model.config import DynamicBatching, ModelConfig, QueuePolicy
from naiad.scheduling.contract import Job
from naiad.scheduling.kinds import KINDS, open_scheduler
from naiad.testing import FakeInstance


def config(max_batch_size: int, block: DynamicBatching | None = None, **parameters: str) -> ModelConfig:
    return ModelConfig("m", max_batch_size=max_batch_size, dynamic_batching=block, parameters=parameters)


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (config(4), "adaptive"),
        (config(4, DynamicBatching()), "adaptive"),
        (config(4, DynamicBatching(preferred_batch_sizes=(4,))), "adaptive"),
        (config(4, DynamicBatching(preferred_batch_sizes=(2,))), "dynamic"),
        (config(4, DynamicBatching(max_queue_delay_s=0.001)), "dynamic"),
        (config(4, batching="immediate"), "dynamic"),
        (config(1), "dynamic"),
        (replace(config(4), is_decoupled=True), "dynamic"),
        (config(4, batching="off"), "direct"),
        (config(4, DynamicBatching(), batching="off"), "direct"),
        (config(0), "direct"),
        (config(0, DynamicBatching()), "direct"),
    ],
)
def test_the_first_kind_that_suits_is_taken(asked: ModelConfig, kind: str) -> None:
    assert next(row for row in KINDS if row.suits(asked)).name == kind


@pytest.mark.parametrize(
    ("asked", "batches"),
    [
        (config(3), [[0, 1, 2], [3]]),
        (config(4, DynamicBatching(preferred_batch_sizes=(2,), max_queue_delay_s=9.0)), [[0, 1], [2, 3]]),
        (config(3, batching="off"), [[0], [1], [2], [3]]),
        (config(0), [[0], [1], [2], [3]]),
    ],
)
async def test_requests_are_joined_as_the_configuration_says(asked: ModelConfig, batches: list[list[int]]) -> None:
    counting = FakeInstance()
    scheduler = open_scheduler(asked, Instances((counting,)))
    for item in range(4):
        scheduler.submit(Job(item, 1, lambda *_: None))
    await asyncio.wait_for(scheduler.quiet(), 10)
    assert counting.batches == batches
    scheduler.close()


@pytest.mark.parametrize(("max_batch_size", "batches"), [(100, [100, 50]), (2**31 - 1, [150]), (10, [10] * 15)])
async def test_a_batch_holds_as_many_requests_as_it_may(max_batch_size: int, batches: list[int]) -> None:
    """It held 64 at most, and where it might wait for more, it waited although there were more."""
    counting = FakeInstance()
    batching = DynamicBatching(max_queue_delay_s=0.001)
    scheduler = open_scheduler(config(max_batch_size, batching), Instances((counting,)))
    for item in range(150):
        scheduler.submit(Job(item, 1, lambda *_: None))
    await asyncio.wait_for(scheduler.quiet(), 10)
    assert [len(batch) for batch in counting.batches] == batches
    scheduler.close()


async def test_levels_and_bounds_hold_without_batching_too() -> None:
    batching = DynamicBatching(
        priority_levels=2, default_priority_level=2, priority_queue_policies={2: QueuePolicy(max_queue_size=1)}
    )
    counting = FakeInstance()
    scheduler = open_scheduler(config(0, batching), Instances((counting,)), max_waiting=3)
    scheduler.submit(Job("second", 1, lambda *_: None))
    with pytest.raises(Overloaded):
        scheduler.submit(Job("its level is full", 1, lambda *_: None))
    scheduler.submit(Job("first", 1, lambda *_: None), priority=1)
    scheduler.submit(Job("next", 1, lambda *_: None), priority=1)
    with pytest.raises(Overloaded) as refused:
        scheduler.submit(Job("the queue is full", 1, lambda *_: None), priority=1)
    assert refused.value.detail == {"queue_size": 3}
    await asyncio.wait_for(scheduler.quiet(), 10)
    assert counting.batches == [["first"], ["next"], ["second"]]
    scheduler.close()


async def test_every_instance_gets_a_thread_of_its_name() -> None:
    names: list[str] = []

    class Named(FakeInstance):
        def execute(self, batch: Batch[Any]) -> Sequence[Any]:
            names.append(threading.current_thread().name)
            return super().execute(batch)

    scheduler = open_scheduler(config(0), Instances((Named(),), wide=Named(), names=("m_cpu_0",)))
    scheduler.submit(Job("lone", 1, lambda *_: None))
    await asyncio.wait_for(scheduler.quiet(), 10)
    for _ in range(2):
        scheduler.submit(Job("company", 1, lambda *_: None))
    await asyncio.wait_for(scheduler.quiet(), 10)
    assert names == ["m_wide", "m_cpu_0", "m_cpu_0"]
    scheduler.close()
