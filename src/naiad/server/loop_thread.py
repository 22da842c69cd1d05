"""An event loop in a thread of its own, for callers who are not asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future, wait
from typing import Any, TypeVar

from naiad.core.errors import NotReady

Value = TypeVar("Value")


class LoopThread:
    """Runs from its making until `close`; a daemon, so that a program that forgets to close it can end."""

    def __init__(self, name: str) -> None:
        import uvloop

        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()
        self._lock = threading.Lock()
        self._running: set[Future[Any]] = set()
        self._is_closed = False

    def run(self, coroutine: Coroutine[Any, Any, Value], timeout_s: float | None = None) -> Value:
        """Run a coroutine there and return what it gives; any thread but the loop's may call.

        Raises TimeoutError, and NotReady once it is closed. When the wait ends early, by the timeout or an interrupt,
        the coroutine is cancelled.
        """
        over: Future[Value] = Future()
        tasks: list[asyncio.Task[Value]] = []

        def begin() -> None:
            tasks.append(self._loop.create_task(coroutine))
            tasks[0].add_done_callback(lambda task: _pass_on(task, over))

        def cancel() -> None:
            tasks[0].cancel()

        with self._lock:
            if self._is_closed:
                coroutine.close()
                raise NotReady("the server is closed")
            self._running.add(over)
            self._loop.call_soon_threadsafe(begin)
        over.add_done_callback(self._running.discard)
        try:
            return over.result(timeout_s)
        except BaseException:
            if not over.done():
                self._loop.call_soon_threadsafe(cancel)
            raise

    def close(self) -> None:
        """Let what runs there end, and what was cancelled clean up; then stop the loop and wait for the thread."""
        with self._lock:
            self._is_closed = True
        wait(tuple(self._running))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _pass_on(task: asyncio.Task[Value], over: Future[Value]) -> None:
    """Tell another thread how a task has ended."""
    if task.cancelled():
        over.set_exception(CancelledError())
    elif error := task.exception():
        over.set_exception(error)
    else:
        over.set_result(task.result())


def without_waiting(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """Run a coroutine that waits for nothing, on no loop."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: Value = stop.value
        return result
    coroutine.close()
    raise AssertionError("it waits for something")
