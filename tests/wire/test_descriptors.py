"""A process that runs out of descriptors says so, once in a while."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator

import pytest

from naiad.testing import ManualClock
from naiad.wire.descriptors import Descriptors


@pytest.fixture
def few_are_left() -> Iterator[int]:
    """A limit that is a few above what is open; gives an open descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    one = os.open(os.devnull, os.O_RDONLY)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (one + 4, hard))
        yield one
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        os.close(one)


def test_few_that_are_left_are_worth_a_line_a_minute(few_are_left: int, caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    descriptors = Descriptors(clock)
    descriptors.look(-1)  # not open: nothing can be told from it
    assert caplog.messages == []
    for _ in range(10):
        descriptors.look(few_are_left)
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("Too many open files: this process may have ")
    clock.advance(60)
    descriptors.look(few_are_left)
    assert len(caplog.messages) == 2


def test_many_that_are_left_are_worth_none(caplog: pytest.LogCaptureFixture) -> None:
    with open(os.devnull, "rb") as one:  # noqa: PTH123 — a descriptor is all that it takes
        Descriptors(ManualClock()).look(one.fileno())
    assert caplog.messages == []
