"""An event loop in a thread of its own, for callers who are not asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, wait
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
        with self._lock:
            if self._is_closed:
                coroutine.close()
                raise NotReady("the server is closed")
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
            self._running.add(future)
        future.add_done_callback(self._running.discard)
        try:
            return future.result(timeout_s)
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Let what runs there end, then stop the loop and wait for the thread."""
        with self._lock:
            self._is_closed = True
        wait(tuple(self._running))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def without_waiting(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """Run a coroutine that waits for nothing, on no loop."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: Value = stop.value
        return result
    coroutine.close()
    raise AssertionError("it waits for something")
