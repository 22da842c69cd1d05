"""Whatever one item of a batch raises, and wherever, the others get their results."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from naiad.core.contracts import Batch
from naiad.core.errors import InvalidRequest, ModelFailed, NaiadError
from naiad.scheduling.batching.scheduler import BatchScheduler
from naiad.scheduling.contract import Execution, Job
from naiad.scheduling.dynamic import DynamicRule, decide_dynamic
from naiad.scheduling.runners.thread import ThreadRunner


class PanicException(BaseException):
    """As Rust libraries raise it: no Exception."""


UNUSUAL: dict[type[BaseException], tuple[Any, ...]] = {
    UnicodeDecodeError: ("utf-8", b"\xe9", 0, 1, "no"),
    UnicodeEncodeError: ("utf-8", "\ud800", 0, 1, "no"),
    UnicodeTranslateError: ("\ud800", 0, 1, "no"),
    BaseExceptionGroup: ("several", [ValueError("one")]),
    ExceptionGroup: ("several", [ValueError("one")]),
}
"""Exceptions that cannot be made of one text."""

EXCEPTIONS = [
    kind for kind in vars(builtins).values() if isinstance(kind, type) and issubclass(kind, BaseException)
] + [PanicException, asyncio.CancelledError, InvalidRequest, ModelFailed]

STAGES = ("gathering", "running", "splitting")


class Staged:
    """An instance in three stages, each of which may meet an item that it cannot take."""

    def __init__(self, stage: str, error: BaseException) -> None:
        self._stage, self._error = stage, error

    def execute(self, batch: Batch[Any]) -> Sequence[Any]:
        gathered = [self._pass("gathering", item) for item in batch.items]
        batch.input_ready_s = 1.0
        ran = [self._pass("running", item) for item in gathered]
        batch.output_ready_s = 2.0
        return [self._pass("splitting", item) for item in ran]

    def _pass(self, stage: str, item: Any) -> Any:
        if stage == self._stage and item == "bad":
            raise self._error
        return item

    def close(self) -> None:
        pass


async def outcome(instance: Any, items: Sequence[Any], done: Any = None) -> list[Any]:
    """Results in the order of the items, run as one batch; done: told of each as it is delivered."""
    found: dict[int, Any] = {}
    arrived = asyncio.Event()
    runs: list[Execution] = []

    def keep(index: int, job: Job, result: Any, is_final: bool) -> None:
        assert is_final
        found[index] = result
        if len(found) == len(items):
            arrived.set()
        if done is not None:
            done(job)

    policy = partial(decide_dynamic, rule=DynamicRule(64))
    scheduler = BatchScheduler([ThreadRunner(instance, "i")], policy, on_run=runs.append)
    for index, item in enumerate(items):
        scheduler.submit(Job(item, 1, partial(keep, index)))
    await asyncio.wait_for(arrived.wait(), 10)
    scheduler.close()
    assert len(runs) == 1
    assert runs[0].successes == sum(not isinstance(result, NaiadError) for result in found.values())
    return [found[index] for index in range(len(items))]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("kind", EXCEPTIONS, ids=lambda kind: kind.__name__)
async def test_an_item_fails_alone(kind: type[BaseException], stage: str) -> None:
    error = kind(*UNUSUAL.get(kind, ("no good",)))
    first, second, bad, third = await outcome(Staged(stage, error), ["a", "b", "bad", "c"])
    assert (first, second, third) == ("a", "b", "c")
    assert isinstance(bad, NaiadError)
    if isinstance(error, NaiadError):
        assert bad is error
    else:
        assert type(bad) is ModelFailed
        assert bad.message == f"{type(error).__name__}: {error}"


class Short:
    """Gives one result too few, as a model whose output lost a row does; alone, items are fine."""

    def execute(self, batch: Batch[Any]) -> Sequence[Any]:
        return batch.items[:-1] if len(batch.items) > 1 else list(batch.items)

    def close(self) -> None:
        pass


async def test_a_wrong_number_of_results_is_sorted_out_item_by_item() -> None:
    assert await outcome(Short(), ["a", "b", "c"]) == ["a", "b", "c"]


async def test_an_owner_that_raises_keeps_nobody_else_from_hearing() -> None:
    def done(job: Job) -> None:
        if job.item == "b":
            raise RuntimeError(job.item)

    assert await outcome(Staged("", ValueError()), ["a", "b", "c"], done) == ["a", "b", "c"]
