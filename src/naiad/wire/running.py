"""What is under way in a door without ports, so that a server that stops can wait for it."""

from __future__ import annotations

import asyncio


class Running:
    """Counts the blocks that run `with` it. Owned by the event loop's thread."""

    def __init__(self) -> None:
        self.count = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    def __enter__(self) -> None:
        self.count += 1
        self._is_idle.clear()

    def __exit__(self, *_: object) -> None:
        self.count -= 1
        if not self.count:
            self._is_idle.set()

    async def wait_idle(self) -> None:
        """Return when nothing runs."""
        await self._is_idle.wait()
