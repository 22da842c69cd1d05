"""Takes finished traces off the event loop: a bounded queue and one thread, which alone touches the sink.

A full queue drops what comes: tracing never slows a request down, and never fills the memory.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Protocol

from naiad.core.tensor import Array
from naiad.core.trace import Trace
from naiad.observe.trace.sampling import Sampler

MOST_TRACES = 4096
MOST_BYTES = 64 * 1024 * 1024
"""Bytes of tensors that wait to be written."""

_TOGETHER = 256
"""Traces written at once."""

_log = logging.getLogger("naiad.observe")

Picked = tuple[Sampler, Trace]


class Sink(Protocol):
    """Where traces go; called by one thread."""

    def write(self, traces: Sequence[Picked]) -> None:
        """Take traces, each with the sampler that picked it. May raise OSError."""
        ...

    def release(self, sampler: Sampler) -> None:
        """Let go of what was kept back for a sampler, because it picks no more. May raise OSError."""
        ...

    def close(self) -> None:
        """Let go of everything. May raise OSError."""
        ...


class TraceWriter:
    """Hands traces to a sink; all methods but those of the thread are for the event loop's thread."""

    def __init__(self, sink: Sink, most_traces: int = MOST_TRACES, most_bytes: int = MOST_BYTES) -> None:
        """Start nothing yet: the thread begins with the first trace."""
        self._sink = sink
        self._most_traces = most_traces
        self._most_bytes = most_bytes
        self._queue: SimpleQueue[Picked | Sampler | threading.Event | None] = SimpleQueue()
        """Traces; samplers that are done; events to set when everything before them is written; None is the end."""
        self._thread: threading.Thread | None = None
        # Each pair has one writer for each half, so that no lock is needed.
        self._put_traces = self._taken_traces = 0
        self._put_bytes = self._taken_bytes = 0
        self._has_failed = False
        self._is_closed = False
        self.dropped = 0
        """Traces that were lost because the queue was full."""

    def put(self, sampler: Sampler, trace: Trace) -> None:
        """Queue a trace, or drop it; after the end they are dropped, too."""
        if self._is_closed:
            return
        size = _size(trace)
        waiting = self._put_traces - self._taken_traces
        if waiting >= self._most_traces or (waiting and self._put_bytes - self._taken_bytes + size > self._most_bytes):
            self.dropped += 1
            if self.dropped == 1:
                _log.warning("traces arrive faster than they can be written; some are dropped")
            return
        self._put_traces += 1
        self._put_bytes += size
        self._start()
        self._queue.put((sampler, trace))

    def release(self, sampler: Sampler) -> None:
        """Have everything written that was picked by a sampler, once it has been."""
        if self._thread is not None:
            self._queue.put(sampler)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until what is queued now has been written; returns whether it was in time. For any thread."""
        if self._thread is None:
            return True
        is_written = threading.Event()
        self._queue.put(is_written)
        return is_written.wait(timeout_s)

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what is left and end the thread; blocks, but not longer than that."""
        self._is_closed = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                _log.warning("traces could not be written within %g s; the rest are dropped", timeout_s)
            self._thread = None
        else:
            self._sink.close()  # it may have threads of its own
        if self.dropped:
            _log.warning("%d traces were dropped because they arrived faster than they could be written", self.dropped)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="naiad-traces", daemon=True)
            self._thread.start()

    # in the thread

    def _run(self) -> None:
        message: Sampler | threading.Event | None = threading.Event()
        while message is not None:
            traces, message = self._take()
            try:
                if traces:
                    self._sink.write(traces)
                if isinstance(message, Sampler):
                    self._sink.release(message)
                elif message is None:
                    self._sink.close()
            except Exception:  # noqa: BLE001 — whatever a sink raises, traces go on being taken and requests answered
                self._fail()
            self._taken_traces += len(traces)
            self._taken_bytes += sum(_size(trace) for _, trace in traces)
            if isinstance(message, threading.Event):
                message.set()

    def _take(self) -> tuple[list[Picked], Sampler | threading.Event | None]:
        """Wait for something; returns traces, and the message behind them or an event that nobody waits for."""
        traces: list[Picked] = []
        while len(traces) < _TOGETHER:
            try:
                message = self._queue.get(block=not traces)
            except Empty:
                break
            if not isinstance(message, tuple):
                return traces, message
            traces.append(message)
        return traces, threading.Event()

    def _fail(self) -> None:
        """Tell of the first failure; the next thousand would say the same."""
        if not self._has_failed:
            self._has_failed = True
            _log.exception("traces cannot be written; further failures are not logged")


def _size(trace: Trace) -> int:
    return sum(_bytes(tensor.data) for _, tensor in trace.tensors)


def _bytes(data: Array) -> int:
    strings = sum(map(len, data.reshape(-1).tolist())) if data.dtype == object else 0
    return data.nbytes + strings
