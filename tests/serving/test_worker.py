"""Long work beside the loop: results and errors come back on it, what nobody wants any more is not done."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from naiad.core.errors import Failed, InvalidRequest
from naiad.serving.worker import Worker


async def result_of(worker: Worker, do: Callable[[], Any], size: int = 1) -> Any:
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    worker.submit(size, do, done.set_result)
    return await asyncio.wait_for(done, 20)


def refuse() -> None:
    raise InvalidRequest("no")


async def test_results_and_errors_come_back_on_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker()
    assert await result_of(worker, lambda: threading.current_thread() is not threading.main_thread())
    error = await result_of(worker, refuse)
    assert (type(error), error.message, error.__traceback__) == (InvalidRequest, "no", None)
    with caplog.at_level(logging.ERROR):
        failed = await result_of(worker, lambda: 1 / 0)
    assert (type(failed), failed.message) == (Failed, "internal error")
    assert "ZeroDivisionError" in caplog.text
    worker.close()


async def test_small_work_does_not_stand_behind_large_work() -> None:
    worker, may_end = Worker(), threading.Event()
    large = asyncio.ensure_future(result_of(worker, lambda: may_end.wait(20), 2**30))
    await asyncio.sleep(0)
    assert await result_of(worker, lambda: "small", 1000) == "small"
    assert not large.done()
    may_end.set()
    assert await large
    worker.close()


async def test_what_is_withdrawn_is_not_done_and_nobody_is_told() -> None:
    worker, may_end = Worker(), threading.Event()
    told: list[str] = []
    running = worker.submit(1, lambda: may_end.wait(20), lambda _: told.append("running"))
    waiting = worker.submit(1, lambda: told.append("done"), lambda _: told.append("waiting"))
    running.cancel()
    waiting.cancel()
    assert waiting.do is None, "what it holds is let go at once"
    may_end.set()
    await asyncio.wait_for(worker.quiet(), 20)
    assert told == []
    worker.close()


async def test_quiet_waits_for_all_of_it() -> None:
    worker = Worker()
    told: list[int] = []
    for number in range(5):
        worker.submit(number * 2**21, lambda number=number: number, told.append)
    await asyncio.wait_for(worker.quiet(), 20)
    assert sorted(told) == [0, 1, 2, 3, 4]
    await worker.quiet()
    worker.close()
