"""An event loop in a thread of its own: what it gives back, and that nothing is cut off when it is closed."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError

import pytest

from naiad.errors import NotReady
from naiad.server.loop_thread import LoopThread


async def nothing() -> None:
    """Wait for nothing."""


async def raises(error: BaseException) -> None:
    raise error


def test_it_gives_what_the_coroutine_gives() -> None:
    thread = LoopThread("test")
    assert thread.run(asyncio.sleep(0, 7)) == 7
    with pytest.raises(ZeroDivisionError, match="why"):
        thread.run(raises(ZeroDivisionError("why")))
    with pytest.raises(CancelledError):
        thread.run(raises(asyncio.CancelledError()))
    thread.close()
    with pytest.raises(NotReady):
        thread.run(nothing())


def test_what_took_too_long_cleans_up_before_the_loop_ends() -> None:
    thread, cleaned = LoopThread("test"), []

    async def holds_something() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(10):
                await asyncio.sleep(0)
            cleaned.append(True)

    with pytest.raises(TimeoutError):
        thread.run(holds_something(), 0.01)
    thread.close()
    assert cleaned


def test_close_waits_for_calls_of_other_threads() -> None:
    thread, begun, let = LoopThread("test"), threading.Event(), asyncio.Event()
    answers: list[str] = []

    async def takes_its_time() -> str:
        begun.set()
        await let.wait()
        return "done"

    async def let_go() -> None:
        let.set()

    caller = threading.Thread(target=lambda: answers.append(thread.run(takes_its_time())))
    caller.start()
    begun.wait()
    thread.run(let_go())
    thread.close()
    caller.join()
    assert answers == ["done"]
