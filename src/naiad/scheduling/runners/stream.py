"""An instance that gives any number of results for an item, over time, from any thread.

Up to `capacity` batches are under way at the same time, each in a thread until `execute` returns. One is over when it
has returned and every item has had its last result; what the instance fails to end, this file ends with an error.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.contracts import FreesItself, Interruptible, PacesItself, StreamingInstance
from naiad.core.errors import ModelFailed, NaiadError, NotReady
from naiad.core.flow import Flow
from naiad.scheduling.contract import Execution, Listener

_log = logging.getLogger("naiad.scheduling")


class StreamRunner:
    """One streaming instance and the threads it runs in; a thread starts when a batch finds none free."""

    ahead = 0
    runs_inline = False
    is_up: Callable[[], bool] | None = None
    """Whether the instance can run a batch now, where others could in its place; None: it always can."""

    def __init__(self, instance: StreamingInstance[Any], name: str, *, clock: Clock = monotonic) -> None:
        self.capacity = instance.capacity
        self._instance = instance
        self._is_free_when_returned = isinstance(instance, FreesItself) and instance.is_free_when_returned
        self._holds_back = not (isinstance(instance, PacesItself) and instance.paces_itself)
        self._name = name
        self._clock = clock
        self._work: SimpleQueue[_Stream | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._free_threads = 0
        """Threads that wait for work, as the loop knows it."""
        self._streams: set[_Stream] = set()

    def start(self, execution: Execution, listener: Listener) -> None:
        """See `Runner.start`; called while fewer than `capacity` executions are under way."""
        stream = _Stream(execution, listener, self._returned, self._over)
        self._streams.add(stream)
        if self._free_threads:
            self._free_threads -= 1
        else:
            name = f"{self._name}-{len(self._threads)}"
            thread = threading.Thread(target=self._serve, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._work.put(stream)

    def recall(self, execution: Execution) -> bool:  # noqa: ARG002 - Runner's
        """See `Runner.recall`; what is started has begun."""
        return False

    def close(self) -> None:
        """End the threads and what is still owed, then release the instance; blocks until every `execute` returned."""
        if isinstance(self._instance, Interruptible):
            self._instance.interrupt()
        for stream in list(self._streams):
            stream.let_go()
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()
        for stream in list(self._streams):
            stream.call(stream.fail, NotReady("the model is being unloaded"))
        self._instance.close()

    def _serve(self) -> None:
        while (stream := self._work.get()) is not None:
            stream.execution.started_s = self._clock()
            send = _Send(stream, holds_back=self._holds_back)
            error: NaiadError | None = None
            try:
                self._instance.execute(stream.execution, send)
            except NaiadError as raised:
                error = raised
            except BaseException as raised:  # noqa: BLE001 — a model may raise anything, panics of Rust included
                _log.exception("instance %s failed", self._name)
                error = ModelFailed(f"{type(raised).__name__}: {raised}")
            stream.call(stream.returned, error)
            del stream, send, error  # or the last batch's tensors would live until the next one

    def _returned(self) -> bool:
        """Returns whether the instance may take another batch, whatever is still owed of this one."""
        self._free_threads += 1
        return self._is_free_when_returned

    def _over(self, stream: _Stream) -> None:
        self._streams.discard(stream)
        stream.execution.finished_s = self._clock()


class _Stream:
    """One execution under way: which of its items have had their last result. Everything but `call` is the loop's."""

    def __init__(
        self,
        execution: Execution,
        listener: Listener,
        on_return: Callable[[], bool],
        on_over: Callable[[_Stream], None],
    ) -> None:
        self.execution = execution
        self._listener = listener
        self._on_return = on_return
        self._on_over = on_over
        self._loop = asyncio.get_running_loop()
        self._open = dict.fromkeys(range(len(execution.items)))
        """Items that have not had their last result."""
        self._has_returned = False
        self._is_over = False

    def call(self, function: Callable[..., None], *args: Any) -> None:
        """Have a method of this object called on the loop's thread; from any thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
            self._loop.call_soon_threadsafe(function, *args)

    def sent(self, index: int, result: Any, is_final: bool) -> None:
        """Pass a result on, unless the item has had its last."""
        if index not in self._open:
            return
        if is_final:
            del self._open[index]
        self._listener.sent(self.execution, index, result, is_final)
        if is_final:
            self._end()

    def returned(self, error: NaiadError | None) -> None:
        """Note that `execute` is over. error: why it gives no more results."""
        self._has_returned = True
        is_free = self._on_return()
        if error is not None:
            self.execution.failure = error
            self.fail(error)
        if is_free and self._open:
            self._listener.returned(self.execution)
        self._end()

    def let_go(self) -> None:
        """Hold the instance back no longer; from any thread."""
        for item in self.execution.items:
            flow = flow_of(item)
            if flow is not None:
                flow.end()

    def dropped(self) -> None:
        """End what nobody can end any longer: the instance has let go of `send`."""
        error = ModelFailed("the model has ended without a last response")
        if self._open:
            self.execution.failure = error
        self.fail(error)

    def fail(self, error: NaiadError) -> None:
        """Give every item that waits for its last result an error instead."""
        for index in list(self._open):
            self.sent(index, error, True)

    def _end(self) -> None:
        if self._has_returned and not self._open and not self._is_over:
            self._is_over = True
            self._on_over(self)
            self._listener.finished(self.execution, ())


class _Send:
    """What the instance gets as `send`; when it has let go of it, nothing more can come."""

    __slots__ = ("_flows", "_sent", "_stream")

    def __init__(self, stream: _Stream, *, holds_back: bool) -> None:
        self._stream = stream
        self._flows = [flow_of(item) for item in stream.execution.items] if holds_back else []
        self._sent = [0] * len(self._flows)

    def __call__(self, index: int, result: Any, is_final: bool) -> bool:
        execution = self._stream.execution
        if not 0 <= index < len(execution.items):
            raise IndexError(f"there is no item {index} in a batch of {len(execution.items)}")
        self._stream.call(self._stream.sent, index, result, is_final)
        if not is_final and self._flows and (flow := self._flows[index]) is not None:
            self._sent[index] += 1
            flow.wait(self._sent[index])
        jobs = execution.jobs  # the loop empties it when all items have had their last result
        return bool(jobs) and jobs[index] not in execution.withdrawn

    def __del__(self) -> None:
        self._stream.call(self._stream.dropped)


def flow_of(item: Any) -> Flow | None:
    """What holds back the answers to an item; None: nothing does."""
    flow: Flow | None = getattr(item, "flow", None)
    return flow
