"""Long work on bodies, in threads beside the event loop: reading requests of megabytes, writing answers of megabytes.

On the loop it would hold up everybody for as long as it takes. Whoever does such work cuts it into pieces: a call that
holds the interpreter's lock for long stops the loop from any thread. Short work stays on the loop, because the way to a
thread and back takes longer than most requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from naiad.core.errors import Failed, NaiadError
from naiad.serving.short_turns import short_turns

SHORT_BYTES = 128 * 1024
"""A body up to here is read on the loop: JSON of that size in 2 to 7 ms, by what it holds."""

SHORT_ELEMENTS = 32 * 1024
"""An answer's tensor up to here is written as JSON on the loop, in 1 to 3 ms."""

JOINED_BYTES = 4 * 1024 * 1024
"""Pieces of a body up to here are put together on the loop, in a millisecond."""

_LANES = (4 * 1024 * 1024, 2**63)
"""Bytes up to which work goes to one of the threads: what takes milliseconds does not stand behind what takes seconds.
"""

_log = logging.getLogger("naiad.serving")

Result = TypeVar("Result")


class Work:
    """One piece of work under way."""

    __slots__ = ("do", "done", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, do: Callable[[], Any], done: Callable[[Any], object]) -> None:
        self.loop = loop
        self.do: Callable[[], Any] | None = do
        self.done: Callable[[Any], object] | None = done

    def cancel(self) -> None:
        """Nobody wants the result: what has not begun never does, and what it holds is let go."""
        self.do = self.done = None


class Worker:
    """The threads of one server; they start with the first work. Owned by the loop's thread."""

    def __init__(self) -> None:
        self._queues: list[SimpleQueue[Work | None]] = [SimpleQueue() for _ in _LANES]
        self._threads: dict[int, threading.Thread] = {}
        self._pending: set[Work] = set()
        self._waiters: list[tuple[set[Work], asyncio.Future[None]]] = []
        """Who waits, and for what."""

    def submit(self, size: int, do: Callable[[], Result], done: Callable[[Result | NaiadError], object]) -> Work:
        """Have `do` called in a thread, then `done` on the loop with what it returned or the error of ours it raised.

        size: bytes that are worked on. Another exception is logged and becomes Failed. The result withdraws the work.
        """
        work = Work(asyncio.get_running_loop(), do, done)
        lane = next(at for at, most_bytes in enumerate(_LANES) if size <= most_bytes)
        if lane not in self._threads:
            thread = threading.Thread(target=self._serve, args=[self._queues[lane]], name=f"bodies-{lane}", daemon=True)
            self._threads[lane] = thread
            thread.start()
        self._pending.add(work)
        self._queues[lane].put(work)
        return work

    async def settled(self) -> None:
        """Return when the work that there is now is done, whatever comes meanwhile."""
        if self._pending:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((set(self._pending), waiter))
            await waiter

    async def quiet(self) -> None:
        """Return when there is no work."""
        while self._pending:
            await self.settled()

    def close(self) -> None:
        """End the threads after the work in hand, without waiting for them."""
        for lane in self._threads:
            self._queues[lane].put(None)

    def _serve(self, queue: SimpleQueue[Work | None]) -> None:
        while (work := queue.get()) is not None:
            do, work.do = work.do, None
            result = _attempt(do) if do is not None else None
            with contextlib.suppress(RuntimeError):  # the loop is closed
                work.loop.call_soon_threadsafe(self._finish, work, result)
            del do, work, result  # or they would live until the next work comes

    def _finish(self, work: Work, result: Any) -> None:
        self._pending.discard(work)
        for awaited, waiter in self._waiters:
            awaited.discard(work)
            if not awaited and not waiter.done():
                waiter.set_result(None)
        self._waiters = [(awaited, waiter) for awaited, waiter in self._waiters if awaited]
        if work.done is not None:
            work.done(result)


def _attempt(do: Callable[[], Any]) -> Any:
    short_turns.begin()
    try:
        return do()
    except NaiadError as error:
        return error.with_traceback(None)  # which would refer to frames that hold the body
    except Exception:  # noqa: BLE001 - whatever happens, who asked is answered
        _log.exception("reading or writing a long body failed")
        return Failed("internal error")
    finally:
        short_turns.end()
