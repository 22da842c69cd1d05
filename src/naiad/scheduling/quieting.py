"""Waiting until a scheduler has nothing to do."""

from __future__ import annotations

import asyncio


class Quieting:
    """Those who wait for it."""

    def __init__(self) -> None:
        self.waiters: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        """Return after the next `wake`."""
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        await waiter

    def wake(self) -> None:
        """Let everybody go on who waits."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self.waiters.clear()
