"""Calls that are given up when they take too long: who waits is answered, and the operator sees where it hangs.

A thread cannot be stopped, so that a call which is given up keeps the one it runs in; the next gets another.
"""

from __future__ import annotations

import contextvars
import logging
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from naiad.core.errors import ModelFailed, NotReady

MOST_HANGING = 8
"""Calls of one instance that have been given up and run on; with so many, no further one is begun."""

_log = logging.getLogger("naiad.functions")

_Call = tuple[Future[Any], Callable[[], Any]]


class HangingCall(ModelFailed):
    """A call was given up."""


class Limit:
    """Calls for one instance, one at a time; no longer than so many seconds each, 0: as long as they take."""

    def __init__(self, model: str, seconds: float) -> None:
        self.seconds = seconds
        self._model = model
        self._thread: _Thread | None = None
        self._hanging: list[_Thread] = []

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function, in the caller's context. Raises HangingCall, NotReady, and what it raises."""
        if not self.seconds:
            return function(*args)
        self._hanging = [thread for thread in self._hanging if thread.is_busy]
        if len(self._hanging) >= MOST_HANGING:
            raise NotReady(
                f"{MOST_HANGING} calls of the function of model '{self._model}' hang; no further one is begun"
            )
        thread = self._thread = self._thread or _Thread(self._model)
        context = contextvars.copy_context()
        future = thread.begin(lambda: context.run(function, *args))
        try:
            return future.result(self.seconds)
        except TimeoutError as error:
            if future.done():  # the function's own
                raise
            self._hanging.append(thread)
            self._thread = None
            message = f"the function of model '{self._model}' has not returned within {self.seconds:g} s"
            _log.error("%s; it is here:\n%s", message, thread.where())
            raise HangingCall(message, model=self._model) from error

    def close(self) -> None:
        """End the threads that do not hang."""
        for thread in (*self._hanging, *filter(None, [self._thread])):
            thread.end()


class _Thread:
    """One thread, which does one call after the other."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self.is_busy = False
        self._thread = threading.Thread(target=self._serve, name=f"{name}-call", daemon=True)
        self._thread.start()

    def begin(self, call: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        self.is_busy = True
        self._calls.put((future, call))
        return future

    def end(self) -> None:
        self._calls.put(None)

    def where(self) -> str:
        """The stack of what it does."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        return "".join(traceback.format_stack(frame)).rstrip() if frame is not None else "(it has just ended)"

    def _serve(self) -> None:
        while (work := self._calls.get()) is not None:
            future, call = work
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - whatever it is, who waits gets it
                self.is_busy = False
                future.set_exception(error)
            else:
                self.is_busy = False
                future.set_result(result)
            del work, future, call
