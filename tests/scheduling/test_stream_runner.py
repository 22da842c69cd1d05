"""Streaming instances: any number of results, from any thread, and an end for every item, whatever they do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from naiad.core.contracts import Batch, Send
from naiad.core.errors import InvalidRequest, ModelFailed, NaiadError, NotReady
from naiad.core.flow import Flow
from naiad.scheduling.batching.scheduler import BatchScheduler
from naiad.scheduling.contract import Execution, Job
from naiad.scheduling.kinds import ONE_BY_ONE
from naiad.scheduling.runners.stream import StreamRunner


class Streaming:
    """Runs a function."""

    def __init__(self, run: Callable[[Batch[Any], Send], None], capacity: int = 1) -> None:
        self.capacity = capacity
        self.run = run
        self.is_closed = False

    def execute(self, batch: Batch[Any], send: Send) -> None:
        self.run(batch, send)

    def close(self) -> None:
        self.is_closed = True


async def turns(condition: Callable[[], bool]) -> None:
    """Give the loop turns until something holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)


class Heard:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.results: list[tuple[int, Any, bool]] = []
        self.finished_executions: list[Execution] = []
        self._news = asyncio.Event()

    def sent(self, execution: Execution, index: int, result: Any, is_final: bool) -> None:
        assert threading.current_thread() is threading.main_thread()
        assert execution not in self.finished_executions
        self.results.append((index, result, is_final))
        self._news.set()

    def returned(self, execution: Execution) -> None:
        raise AssertionError("no instance here says so")

    def finished(self, execution: Execution, results: Sequence[Any]) -> None:
        assert not results, "all were sent"
        self.finished_executions.append(execution)
        self._news.set()

    async def until(self, *, results: int = 0, executions: int = 0) -> None:
        async with asyncio.timeout(10):
            while len(self.results) < results or len(self.finished_executions) < executions:
                self._news.clear()
                await self._news.wait()

    def errors(self) -> dict[int, tuple[type, str]]:
        return {
            index: (type(result), result.message) for index, result, _ in self.results if isinstance(result, NaiadError)
        }


def execution(*items: Any) -> Execution:
    return Execution([Job(item, 1, lambda *_: None) for item in items])


async def outcome(run: Callable[[Batch[Any], Send], None], items: int = 2) -> Heard:
    """What is heard of one batch until it is over."""
    runner, heard = StreamRunner(Streaming(run), "s"), Heard()
    runner.start(execution(*range(items)), heard)
    await heard.until(executions=1)
    await asyncio.sleep(0)
    assert len(heard.finished_executions) == 1
    assert sorted(index for index, _, is_final in heard.results if is_final) == list(range(items))
    runner.close()
    return heard


async def test_results_come_in_the_order_in_which_they_were_sent() -> None:
    def run(batch: Batch[Any], send: Send) -> None:
        for number in range(3):
            for index, item in enumerate(batch.items):
                send(index, (item, number), number == 2)

    heard = await outcome(run)
    assert heard.results == [(index, (index, number), number == 2) for number in range(3) for index in range(2)]
    (done,) = heard.finished_executions
    assert done.finished_s >= done.started_s > 0


async def test_an_item_may_end_after_execute_has_returned() -> None:
    gate = threading.Event()
    others: list[threading.Thread] = []

    def later(send: Send, index: int) -> None:
        gate.wait(10)
        send(index, "late", True)

    def run(batch: Batch[Any], send: Send) -> None:
        others.extend(threading.Thread(target=later, args=(send, index)) for index in range(len(batch.items)))
        for other in others:
            other.start()
        send(0, "early", False)

    runner, heard = StreamRunner(Streaming(run), "s"), Heard()
    runner.start(execution("a", "b"), heard)
    await heard.until(results=1)
    assert not heard.finished_executions
    gate.set()
    await heard.until(executions=1)
    assert heard.results[0] == (0, "early", False)
    assert sorted(heard.results[1:]) == [(0, "late", True), (1, "late", True)]
    runner.close()


async def test_nothing_comes_after_an_items_last_result() -> None:
    def run(batch: Batch[Any], send: Send) -> None:
        send(0, "last", True)
        send(0, "more", False)
        send(0, "last again", True)
        send(1, "last", True)

    assert (await outcome(run)).results == [(0, "last", True), (1, "last", True)]


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (ValueError("no good"), (ModelFailed, "ValueError: no good")),
        (KeyboardInterrupt("stop"), (ModelFailed, "KeyboardInterrupt: stop")),
        (InvalidRequest("not this one"), (InvalidRequest, "not this one")),
    ],
)
async def test_after_an_exception_every_item_that_is_not_through_gets_it_once(
    raised: BaseException, told: tuple[type, str]
) -> None:
    def run(batch: Batch[Any], send: Send) -> None:
        send(0, "through", True)
        send(1, "begun", False)
        raise raised

    heard = await outcome(run, items=3)
    assert heard.results[:2] == [(0, "through", True), (1, "begun", False)]
    assert heard.errors() == {1: told, 2: told}


async def test_what_an_instance_can_no_longer_end_is_ended_with_an_error() -> None:
    """It has returned and let go of `send`."""

    def run(batch: Batch[Any], send: Send) -> None:
        send(0, "through", True)

    heard = await outcome(run)
    assert heard.errors() == {1: (ModelFailed, "the model has ended without a last response")}


async def test_an_item_that_does_not_exist_is_the_instances_mistake() -> None:
    def run(batch: Batch[Any], send: Send) -> None:
        send(2, "who?", True)

    told = (ModelFailed, "IndexError: there is no item 2 in a batch of 2")
    assert (await outcome(run)).errors() == {0: told, 1: told}


async def test_as_many_batches_run_at_once_as_the_instance_takes_and_threads_are_used_again() -> None:
    together = threading.Barrier(3)
    threads: set[int] = set()

    def run(batch: Batch[Any], send: Send) -> None:
        together.wait(10)
        threads.add(threading.get_ident())
        send(0, "done", True)

    runner, heard = StreamRunner(Streaming(run, capacity=3), "s"), Heard()
    assert runner.capacity == 3
    for turn in range(1, 3):
        for _ in range(3):
            runner.start(execution("a"), heard)
        await heard.until(executions=3 * turn)
    assert len(threads) == 3
    runner.close()


async def test_close_ends_what_is_still_owed() -> None:
    kept: list[Send] = []

    def run(batch: Batch[Any], send: Send) -> None:
        kept.append(send)
        send(0, "begun", False)

    instance, heard = Streaming(run), Heard()
    runner = StreamRunner(instance, "s")
    runner.start(execution("a"), heard)
    await heard.until(results=1)
    runner.close()
    assert instance.is_closed
    await heard.until(executions=1)
    assert heard.errors() == {0: (NotReady, "the model is being unloaded")}
    kept[0](0, "too late", True)
    await asyncio.sleep(0)
    assert len(heard.results) == 2


async def test_an_instance_that_says_so_takes_its_next_batch_when_execute_has_returned() -> None:
    """Though answers to the first are still to come; each execution is finished when it has had its last."""
    sends: list[Send] = []
    instance = Streaming(lambda _, send: sends.append(send))
    instance.is_free_when_returned = True  # type: ignore[attr-defined]
    scheduler = BatchScheduler([StreamRunner(instance, "m")], ONE_BY_ONE)
    told: list[tuple[Any, Any, bool]] = []
    jobs = [Job(number, 1, lambda job, result, last: told.append((job.item, result, last))) for number in range(3)]
    for job in jobs:
        scheduler.submit(job)
    await turns(lambda: len(sends) == 3)
    assert [job.execution is not None for job in jobs] == [True, True, True]
    for number in (2, 0, 1):
        sends[number](0, number * 10, True)
    await scheduler.drain()
    assert told == [(2, 20, True), (0, 0, True), (1, 10, True)]
    scheduler.close()


async def test_other_instances_take_no_more_than_their_capacity_while_answers_are_to_come() -> None:
    sends: list[Send] = []
    scheduler = BatchScheduler([StreamRunner(Streaming(lambda _, send: sends.append(send)), "m")], ONE_BY_ONE)
    jobs = [Job(number, 1, lambda *_: None) for number in range(2)]
    for job in jobs:
        scheduler.submit(job)
    await turns(lambda: len(sends) == 1)
    assert jobs[1].execution is None
    sends[0](0, None, True)
    await turns(lambda: len(sends) == 2)
    sends[1](0, None, True)
    await scheduler.drain()
    scheduler.close()


async def test_send_holds_an_instance_back_until_its_answer_is_taken_up() -> None:
    flow, passed = Flow(), threading.Event()

    class Item:
        pass

    item = Item()
    item.flow = flow  # type: ignore[attr-defined]

    def run(_: Batch[Any], send: Send) -> None:
        send(0, 1, False)
        passed.set()
        send(0, None, True)

    runner, heard = StreamRunner(Streaming(run), "m"), Heard()
    runner.start(Execution([Job(item, 1, lambda *_: None)]), heard)
    await heard.until(results=1)
    assert not passed.is_set()
    flow.came()
    flow.go_on()
    await heard.until(executions=1)
    assert passed.is_set()
    runner.close()
