"""The startup and shutdown events of an ASGI application (its lifespan protocol)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]


class Lifespan:
    """Of one application; one that knows none is served without, as by other servers."""

    def __init__(self, application: Callable[..., Awaitable[None]]) -> None:
        self.state: dict[str, Any] | None = None
        """What the application keeps for its requests; None: it has no lifespan."""
        self._application = application
        self._given: dict[str, Any] = {}
        self._told: asyncio.Queue[Message] = asyncio.Queue()
        self._answer: asyncio.Future[Message] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> str | None:
        """Send `startup`; returns why the application refuses, None if it does not."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        answer = await self._ask("lifespan.startup")
        if answer is None:
            return None
        if answer["type"] == "lifespan.startup.failed":
            return str(answer.get("message") or "it gives no reason").strip()
        self.state = self._given
        return None

    async def stop(self) -> None:
        """Send `shutdown`, if there was a startup."""
        if self.state is not None:
            await self._ask("lifespan.shutdown")

    async def _ask(self, kind: str) -> Message | None:
        """Return what the application answers; None: it has ended without a word."""
        assert self._task is not None
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._told.put_nowait({"type": kind})
        await asyncio.wait({self._task, answer}, return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else None

    async def _take(self, message: Message) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(message)

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._given}
        try:
            await self._application(scope, self._told.get, self._take)
        except Exception:  # noqa: BLE001 - who raises on a scope that it does not know has no lifespan
            return
