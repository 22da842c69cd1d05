"""SIGTERM and SIGINT as an end of waiting, in the main thread of a program that is not asynchronous."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


class _Stopped(BaseException):
    """One of them has come."""


@contextmanager
def stopping_signals() -> Iterator[None]:
    """Let SIGTERM and SIGINT end the block early, without an error; in other threads they are left alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _raise) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with suppress(_Stopped):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise _Stopped
