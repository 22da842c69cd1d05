"""SIGTERM as an end of waiting, in the main thread of a program that is not asynchronous."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


class _Stopped(BaseException):
    """SIGTERM has come."""


@contextmanager
def stopping_signals() -> Iterator[None]:
    """Let SIGTERM and SIGINT end the block early, without an error; in other threads they are left alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _raise)
    try:
        with suppress(_Stopped, KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise _Stopped
