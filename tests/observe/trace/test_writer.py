from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from naiad.core.tensor import Tensor
from naiad.core.trace import Trace
from naiad.observe.trace.sampling import Sampler
from naiad.observe.trace.settings import TraceValues
from naiad.observe.trace.writer import Picked, TraceWriter

SAMPLER = Sampler(TraceValues())


class Notes:
    """A sink that notes what it is told, in the thread that tells it."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.gate = threading.Event()
        self.fails = False

    def write(self, traces: Sequence[Picked]) -> None:
        self.gate.wait(10)
        if self.fails:
            raise OSError("no space left")
        self.told += [trace.id for _, trace in traces]

    def release(self, sampler: Sampler) -> None:
        assert sampler is SAMPLER
        self.told.append("release")

    def close(self) -> None:
        self.told.append("close")


def test_everything_arrives_in_order_off_this_thread() -> None:
    sink = Notes()
    writer = TraceWriter(sink)
    for number in (1, 2):
        writer.put(SAMPLER, Trace(number, "m"))
    writer.release(SAMPLER)
    writer.put(SAMPLER, Trace(3, "m"))
    sink.gate.set()
    writer.close()
    assert sink.told == [1, 2, "release", 3, "close"]


def test_a_full_queue_drops_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    sink = Notes()
    writer = TraceWriter(sink, most_traces=3)
    with caplog.at_level(logging.WARNING, "naiad"):
        for number in range(10):
            writer.put(SAMPLER, Trace(number, "m"))
        sink.gate.set()
        writer.close()
    assert (sink.told, writer.dropped) == ([0, 1, 2, "close"], 7)
    assert caplog.messages == [
        "traces arrive faster than they can be written; some are dropped",
        "7 traces were dropped because they arrived faster than they could be written",
    ]


def test_tensors_that_wait_have_a_bound_but_one_is_always_taken() -> None:
    sink = Notes()
    writer = TraceWriter(sink, most_bytes=100)
    big = [("TENSOR_QUEUE_INPUT", Tensor("t", "UINT8", np.zeros(400, np.uint8)))]
    writer.put(SAMPLER, Trace(1, "m", tensors=big))
    writer.put(SAMPLER, Trace(2, "m", tensors=big))
    sink.gate.set()
    writer.close()
    assert sink.told == [1, "close"]


def test_a_sink_that_fails_is_told_of_once_and_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    sink = Notes()
    sink.fails = True
    sink.gate.set()
    writer = TraceWriter(sink)
    with caplog.at_level(logging.ERROR, "naiad"):
        for number in (1, 2):
            writer.put(SAMPLER, Trace(number, "m"))
            writer.release(SAMPLER)
        writer.close()
    assert caplog.messages == ["traces cannot be written; further failures are not logged"]
    assert sink.told[-1] == "close"


def test_closing_does_not_wait_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    sink = Notes()
    writer = TraceWriter(sink)
    writer.put(SAMPLER, Trace(1, "m"))
    with caplog.at_level(logging.WARNING, "naiad"):
        writer.close(timeout_s=0.01)
    sink.gate.set()
    assert caplog.messages == ["traces could not be written within 0.01 s; the rest are dropped"]


def test_no_thread_without_a_trace() -> None:
    before = threading.active_count()
    sink = Notes()
    writer = TraceWriter(sink)
    writer.release(SAMPLER)
    assert before == threading.active_count()
    writer.close()
    assert sink.told == ["close"]


def test_nothing_is_taken_after_the_end() -> None:
    sink = Notes()
    sink.gate.set()
    writer = TraceWriter(sink)
    writer.put(SAMPLER, Trace(1, "m"))
    writer.close()
    before = threading.active_count()
    writer.put(SAMPLER, Trace(2, "m"))
    assert (sink.told, threading.active_count()) == ([1, "close"], before)
