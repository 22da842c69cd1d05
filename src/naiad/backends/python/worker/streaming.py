"""Runs batches whose answers go out as they come: of decoupled models, and of those whose `execute` is a coroutine.

Coroutines of several batches run at the same time, on one event loop in a thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import wire
from .answering import Stream, error_of
from .api.errors import TritonError
from .api.request import InferenceRequest
from .batches import Batches
from .link import Link
from .tensors import Unpacked

if TYPE_CHECKING:
    import asyncio


class Streaming:
    """Runs the batches of one model."""

    def __init__(self, link: Link, batches: Batches, instance: str) -> None:
        self._link = link
        self._batches = batches
        self._instance = instance
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[Any] = set()
        if batches.model.is_async:
            import asyncio  # takes as long as everything else here but numpy

            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="execute", daemon=True).start()

    def run(self, header: dict[str, Any], unpacked: Unpacked) -> None:
        """Run a batch; a coroutine is only begun."""
        number = header["b"]
        requests, streams = self._batches.requests(header, unpacked)
        if self._loop is not None:
            import asyncio

            task = asyncio.run_coroutine_threadsafe(self._run_async(number, requests, streams), self._loop)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        try:
            self._give(requests, streams, self._batches.model.execute(requests))
        except BaseException as error:  # noqa: BLE001 — model code may raise anything
            self._failed(number, streams, error)
        else:
            self._link.send(wire.ENDED, {"b": number, "e": None})

    async def _run_async(self, number: int, requests: Sequence[InferenceRequest], streams: Sequence[Stream]) -> None:
        try:
            self._give(requests, streams, await self._batches.model.execute(requests))
        except BaseException as error:  # noqa: BLE001 — model code may raise anything
            self._failed(number, streams, error)
        else:
            self._link.send(wire.ENDED, {"b": number, "e": None})

    def _give(self, requests: Sequence[InferenceRequest], streams: Sequence[Stream], returned: Any) -> None:
        for one, stream in zip(self._batches.checked(requests, returned), streams):
            if one is not None:
                stream.give(one, is_final=True)
            elif stream.is_rescheduled:
                header = {"b": stream._key[0], "i": stream._key[1], "a": "rescheduled", "f": True}
                self._link.send(wire.RESPONSE, header)

    def _failed(self, number: int, streams: Sequence[Stream], error: BaseException) -> None:
        row = error_of(error, self._instance)
        for stream in streams:
            stream.fail(TritonError(row[1]))
        self._link.send(wire.ENDED, {"b": number, "e": row})
