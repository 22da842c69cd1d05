"""Threads for what blocks, none of which keeps the process from ending.

A thread cannot be stopped, and Python waits at its end for those of `concurrent.futures.ThreadPoolExecutor`, for as
long as a load, a download or a disk that hangs may take.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any


class DaemonThreads(Executor):
    """So many threads at most, each started when there is work for it."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        """None ends one thread."""
        self._idle = threading.Semaphore(0)
        self._count = 0
        self._futures: set[Future[Any]] = set()
        """Of what is not done."""
        self._is_closed = False

    @property
    def is_busy(self) -> bool:
        """Whether anything runs."""
        return any(future.running() for future in tuple(self._futures))

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it in a thread as soon as one is free; always called from the same thread."""
        if self._is_closed:
            raise RuntimeError(f"{self._name}: no work is taken any more")
        future: Future[Any] = Future()
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        self._work.put((future, partial(call, *args, **kwargs)))
        if self._count < self._most and not self._idle.acquire(blocking=False):
            self._count += 1
            threading.Thread(target=self._serve, name=f"{self._name}_{self._count}", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work; the threads end when they have done what there is."""
        if cancel_futures:
            with suppress(Empty):
                while True:
                    if (work := self._work.get_nowait()) is not None:
                        work[0].cancel()
        self._is_closed = True
        for _ in range(self._count):
            self._work.put(None)
        if wait:
            _wait(tuple(self._futures))

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            future, call = work
            if future.set_running_or_notify_cancel():
                _settle(future, call)
            del work, future, call  # or what they refer to would live until the next one
            self._idle.release()


_wait = wait
"""By a name that the parameter of `shutdown` does not hide."""


def _settle(future: Future[Any], call: Callable[[], Any]) -> None:
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - whatever it is, who waits gets it
        future.set_exception(error)
    else:
        future.set_result(result)
