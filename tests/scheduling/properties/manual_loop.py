"""An event loop whose time stands still until the test moves it: timers ring when the manual clock has reached them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from naiad.testing import ManualClock

_TURNS = 8
"""Of the loop, until nothing more follows from what has happened."""


class ManualLoop(asyncio.SelectorEventLoop):
    """The usual loop by another clock."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        super().__init__()

    def time(self) -> float:
        return self._clock()


def run(main: Callable[[ManualClock], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine to its end on a loop of its own. It must not wait for anything but turns of the loop."""
    clock = ManualClock()
    with asyncio.Runner(loop_factory=lambda: ManualLoop(clock)) as runner:
        runner.run(main(clock))


async def settle() -> None:
    """Let everything happen that can happen without time."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)
