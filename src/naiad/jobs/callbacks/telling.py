"""Callbacks of jobs that are over: told as often as it takes, within bounds; the store remembers what is still due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import orjson

from naiad.core.errors import NaiadError
from naiad.jobs.callbacks.allowed import Allowed
from naiad.jobs.callbacks.posting import NotTold, post
from naiad.jobs.job import Notice
from naiad.jobs.store import JobNotices

_AT_ONCE = 16

_log = logging.getLogger("naiad.jobs")


class Telling:
    """Owned by the event loop's thread."""

    def __init__(self, notices: JobNotices, allowed: Allowed, key: str) -> None:
        """key: signs what is sent; empty: nothing is signed."""
        self.allowed = allowed
        self.told = self.failed = 0
        """Callbacks that have arrived; tries that did not."""
        self._notices, self._key = notices, key
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_looking = False

    def hint(self) -> None:
        """Look soon: a job has come to an end."""
        if not self._is_looking:
            self._is_looking = True
            self._start(self._look_now())

    async def look(self) -> None:
        """Send the callbacks that are due. Raises what the store raises."""
        free = _AT_ONCE - len(self._tasks)
        if free > 0:
            for notice in await self._notices.due(free):
                self._start(self._tell(notice))

    async def close(self) -> None:
        """Leave what is under way; it is due again later."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, call: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_now(self) -> None:
        self._is_looking = False
        try:
            await self.look()
        except NaiadError as error:
            _log.warning("callbacks cannot be looked for: %s", error.message)

    async def _tell(self, notice: Notice) -> None:
        job = notice.job
        try:
            await post(self.allowed, job.callback, orjson.dumps(job.as_json()), self._key)
            self.told += 1
            await self._notices.told(job.id)
        except NotTold as error:
            self.failed += 1
            more = f"{notice.left} more tries" if notice.left else "no more tries"
            _log.warning("the callback of job %s did not arrive (%s): %s", job.id, more, error)
        except NaiadError as error:
            _log.warning("that the callback of job %s has arrived cannot be kept: %s", job.id, error.message)
        except Exception:  # noqa: BLE001 - a mistake of ours costs this callback a try
            _log.exception("the callback of job %s failed", job.id)
