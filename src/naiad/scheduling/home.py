"""The event loop that a scheduler lives on, so that who closes it from another thread does nothing there himself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable


class Home:
    """Knows the loop once there has been something to do on it."""

    __slots__ = ("loop",)

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        """By the scheduler, whenever it plans something."""

    def call(self, function: Callable[[], object]) -> None:
        """Call on the loop's thread, and return when that is done; here, where there is no loop that runs elsewhere."""
        loop = self.loop
        if loop is None or not loop.is_running() or loop_here() is loop:
            function()
            return
        is_done = threading.Event()

        def call() -> None:
            try:
                function()
            finally:
                is_done.set()

        loop.call_soon_threadsafe(call)
        is_done.wait()


def loop_here() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread; None where none does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
