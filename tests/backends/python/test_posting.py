"""Batches that the event loop sends to a worker by itself: no thread waits for them, and nothing holds up the loop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from naiad.core.contracts import Batch
from naiad.core.errors import ModelFailed, NotReady
from naiad.scheduling.contract import Execution, Job
from naiad.scheduling.runners.opening import open_runners
from naiad.scheduling.runners.post import PostRunner

from .conftest import IDENTITY, Code, request_of, value
from .test_awkward import AWKWARD


class Told:
    """Hears of executions, and lets a test wait for them."""

    def __init__(self) -> None:
        self.results: dict[int, Any] = {}
        self._came = asyncio.Event()

    def sent(self, execution: Execution, index: int, result: Any, is_final: bool) -> None:
        raise AssertionError

    def finished(self, execution: Execution, results: Any) -> None:
        assert id(execution) not in self.results
        self.results[id(execution)] = list(results)
        self._came.set()

    async def of(self, execution: Execution) -> list[Any]:
        async with asyncio.timeout(30):
            while id(execution) not in self.results:
                self._came.clear()
                await self._came.wait()
        found: list[Any] = self.results[id(execution)]
        return found


def execution_of(*requests: Any) -> Execution:
    return Execution([Job(one, 1, lambda *_: None) for one in requests])


def doing(do: str) -> Execution:
    return execution_of(request_of(parameters={"do": do}))


def runner_of(code: Code, source: str, **more: Any) -> PostRunner:
    (runner,), _ = open_runners(code.load_all(source, **more), "m")
    assert isinstance(runner, PostRunner)
    return runner


def run(test: Callable[..., Any], *parts: Any) -> Any:
    return asyncio.run(test(*parts))


async def ask(runner: PostRunner, *executions: Execution) -> list[list[Any]]:
    """The results of executions that are started at once, as many as a runner takes."""
    told = Told()
    for one in executions:
        runner.start(one, told)
    return [await told.of(one) for one in executions]


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[Batch[Any]]:
    """What was run by a thread."""
    from naiad.backends.python.instance import PythonInstance

    found: list[Batch[Any]] = []
    execute = PythonInstance.execute

    def note(instance: PythonInstance, batch: Batch[Any]) -> Any:
        found.append(batch)
        return execute(instance, batch)

    monkeypatch.setattr(PythonInstance, "execute", note)
    return found


def test_short_batches_need_no_thread(code: Code, executed: list[Any]) -> None:
    runner = runner_of(code, IDENTITY)

    async def test() -> None:
        before = threading.active_count()
        for seed in range(5):
            first, second = (execution_of(request_of(x=np.full(9, seed + add, np.float32))) for add in (0, 100))
            ((one,), (other,)) = await ask(runner, first, second)
            assert (value(one)[0], value(other)[0]) == (seed, seed + 100)
            assert 0 < first.started_s <= first.input_ready_s <= first.output_ready_s <= first.finished_s
        assert threading.active_count() == before

    run(test)
    assert executed == []


def test_large_tensors_are_posted_and_huge_ones_executed(code: Code, executed: list[Any]) -> None:
    runner = runner_of(code, IDENTITY)

    async def test() -> None:
        for count in (200_000, 2_000_000, 200_000, 3):
            data = np.arange(count, dtype=np.float32)
            ((one,),) = await ask(runner, execution_of(request_of(x=data)))
            assert np.array_equal(value(one), data)

    run(test)
    assert [batch.items[0].inputs["x"].data.size for batch in executed] == [2_000_000]


TEXTS = [{"name": name, "data_type": "TYPE_STRING", "dims": [-1]} for name in "xy"]


@pytest.mark.parametrize("count", [3, 900, 5000])
def test_strings_few_and_many(code: Code, executed: list[Any], count: int) -> None:
    runner = runner_of(code, IDENTITY, input=TEXTS[:1], output=TEXTS[1:])
    texts = [b"x" * (index % 50) for index in range(count)]

    async def test() -> None:
        for _ in range(3):
            ((one,),) = await ask(runner, execution_of(request_of(x=texts)))
            assert value(one).tolist() == texts

    run(test)
    assert len(executed) == (3 if count == 5000 else 0)


def test_a_long_answer_to_a_short_question(code: Code) -> None:
    """Strings that are too many for the loop are read beside it."""
    source = """
        import numpy as np
        import triton_python_backend_utils as pb_utils

        class TritonPythonModel:
            def execute(self, requests):
                texts = np.array([b"long enough"] * 50_000, object)
                return [pb_utils.InferenceResponse([pb_utils.Tensor("y", texts)]) for _ in requests]
    """
    runner = runner_of(code, source, output=TEXTS[1:])

    async def test() -> None:
        for _ in range(3):
            ((one,),) = await ask(runner, execution_of(request_of()))
            assert value(one).tolist() == [b"long enough"] * 50_000

    run(test)


@pytest.mark.parametrize(
    ("do", "told"),
    [
        ("ends", "ended while it ran this request: it exited with status 7"),
        ("is_killed", "ended while it ran this request: it was ended by SIGKILL"),
        ("hangs", "ended while it ran this request: it took longer than --model-hang-timeout allows"),
        ("closes_its_descriptors", "ended while it ran this request: "),
        ("writes_to_its_descriptors", "ended while it ran this request: it sent something that makes no sense"),
    ],
)
def test_a_worker_that_is_lost(code: Code, do: str, told: str, caplog: pytest.LogCaptureFixture) -> None:
    """Its batch fails, the one that waited behind it runs in the next worker."""
    runner = runner_of(code, AWKWARD, hang_s=0.5)

    async def test() -> None:
        assert value((await ask(runner, doing("answer")))[0][0]).tolist() == [1]
        lost = doing(do)
        ((failed,), (next_one,)) = await ask(runner, lost, doing("answer"))
        assert isinstance(failed, ModelFailed)
        assert told in failed.message
        assert lost.failure is failed
        assert value(next_one).tolist() == [1]
        assert value((await ask(runner, doing("answer")))[0][0]).tolist() == [1]

    with caplog.at_level(logging.ERROR, "naiad.model"):
        run(test)
    assert "starting another one" in caplog.text


def test_a_worker_that_dies_between_two_batches(code: Code) -> None:
    runner = runner_of(code, IDENTITY)

    async def test() -> None:
        for _ in range(3):
            await ask(runner, execution_of(request_of()))
            worker = runner._instance._supervisor.worker()
            os.kill(worker.pid, signal.SIGKILL)
            ((one,),) = await ask(runner, execution_of(request_of(x=np.zeros(1, np.float32))))
            assert isinstance(one, ModelFailed) or value(one).tolist() == [0]
            await asyncio.get_running_loop().run_in_executor(None, worker.gone.wait, 30)

    run(test)


def test_a_worker_that_dies_while_it_has_nothing_to_do_is_said_to_have(
    code: Code, caplog: pytest.LogCaptureFixture
) -> None:
    """It has sent nothing, neither sense nor nonsense."""
    runner = runner_of(code, IDENTITY)

    async def test() -> None:
        await ask(runner, execution_of(request_of()))
        worker = runner._instance._supervisor.worker()
        os.kill(worker.pid, signal.SIGKILL)
        runner._instance._readable(worker)  # the loop sees the end of the channel first
        await asyncio.get_running_loop().run_in_executor(None, worker.gone.wait, 30)
        assert worker.ending == "it was ended by SIGKILL"

    run(test)


@pytest.mark.parametrize("is_here", [True, False])
def test_closing_answers_what_is_under_way(code: Code, is_here: bool) -> None:
    """On the loop's own thread, and on another one."""
    runner = runner_of(code, AWKWARD)

    async def test() -> None:
        told, loop = Told(), asyncio.get_running_loop()
        await ask(runner, doing("answer"))
        executions = doing("hangs"), doing("answer")
        for one in executions:
            runner.start(one, told)
        if is_here:
            runner.close()
        else:
            await loop.run_in_executor(None, runner.close)
        for one in executions:
            (found,) = await told.of(one)
            assert isinstance(found, NotReady)
        late = doing("answer")
        runner.start(late, told)
        assert isinstance((await told.of(late))[0], NotReady)

    run(test)
    assert not runner._instance._supervisor.is_up


def test_a_batch_that_waits_can_be_taken_back(code: Code) -> None:
    runner = runner_of(code, IDENTITY)

    async def test() -> None:
        told = Told()
        first, second = execution_of(request_of()), execution_of(request_of())
        runner.start(first, told)
        runner.start(second, told)
        assert not runner.recall(first)
        assert runner.recall(second)
        assert not runner.recall(second)
        await told.of(first)
        assert id(second) not in told.results

    run(test)


def test_what_a_model_says_comes_by_the_loop(code: Code, caplog: pytest.LogCaptureFixture) -> None:
    """The side channel, too: short messages and long ones, in their order, also after the loop is gone."""
    source = """
        import triton_python_backend_utils as pb_utils

        class TritonPythonModel:
            def execute(self, requests):
                for number in range(6):
                    pb_utils.Logger.log_info(f"{number} " + "x" * (200_000 if number == 2 else 5))
                return [pb_utils.InferenceResponse([pb_utils.Tensor("y", one.inputs()[0].as_numpy())])
                        for one in requests]
    """
    runner = runner_of(code, source)

    async def test() -> None:
        for _ in range(3):
            await ask(runner, execution_of(request_of()))

    with caplog.at_level(logging.INFO, "naiad.model"):
        run(test)
        runner.close()
    said = [one.getMessage().split()[2] for one in caplog.records if one.getMessage().startswith("m_0: model.py:")]
    assert said == [str(number) for number in range(6)] * 3
