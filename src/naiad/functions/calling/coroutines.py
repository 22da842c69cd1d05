"""A coroutine function, or an asynchronous generator, as an instance: many batches at a time on a loop of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from naiad.core.clock import monotonic
from naiad.core.contracts import Batch, Send
from naiad.core.errors import ModelFailed, NaiadError, NotReady
from naiad.core.flow import Flow
from naiad.core.message import InferRequest
from naiad.functions.calling.generators import UNDER_WAY
from naiad.functions.calling.kinds import Kind
from naiad.functions.calling.plain import note_mistake
from naiad.functions.calling.results import Results
from naiad.functions.context import FunctionModel, serving
from naiad.functions.request import Request

_log = logging.getLogger("naiad.functions")

_END = object()

_END_S = 1.0
"""What calls that are cancelled at the end may take to clean up."""


class CoroutineInstance:
    """One copy of a function that waits instead of blocking; its loop's thread starts with the first batch."""

    capacity = UNDER_WAY
    paces_itself = True
    """A call that is held back waits, and blocks no other."""

    def __init__(
        self, function: Callable[..., Any], model: FunctionModel, results: Results, kind: Kind, limit_s: float = 0.0
    ) -> None:
        """limit_s: what a call, or one step, may wait; 0: as long as it takes."""
        self._function = function
        self._model = model
        self._results = results
        self._streams = kind is Kind.ASYNC_GENERATOR
        self._limit_s = limit_s or None
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def execute(self, batch: Batch[InferRequest], send: Send) -> None:
        """Let the loop answer the batch; returns at once."""
        loop = self._running_loop()
        loop.call_soon_threadsafe(self._begin, batch, send)

    def interrupt(self) -> None:
        """Cancel what is under way."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel_all)

    def close(self) -> None:
        """Stop the loop."""
        loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._serve, args=[self._loop], name=f"{self._model.name}-loop", daemon=True
                )
                self._thread.start()
            return self._loop

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            if left := asyncio.all_tasks(loop):
                for task in left:
                    task.cancel()
                loop.run_until_complete(asyncio.wait(left, timeout=_END_S))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    def _begin(self, batch: Batch[InferRequest], send: Send) -> None:
        assert self._loop is not None
        task = self._loop.create_task(self._answer(batch, send))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _cancel_all(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _answer(self, batch: Batch[InferRequest], send: Send) -> None:
        """Answer every request of a batch, whatever the function does."""
        numbers = list(range(len(batch.items)))
        batch.input_ready_s = monotonic()
        error = await self._attempt(batch.items, numbers, send)
        batch.output_ready_s = monotonic()
        if error is not None and len(numbers) > 1 and not self._streams:
            for number in numbers:  # what one request causes is no business of the others
                error = await self._attempt([batch.items[number]], [number], send)
                if error is not None:
                    send(number, error, True)
        elif error is not None:
            for number in numbers:
                send(number, error, True)

    async def _attempt(self, items: Sequence[InferRequest], numbers: Sequence[int], send: Send) -> NaiadError | None:
        """Run the function once; gives the error that its requests must be answered with, if any."""
        try:
            with serving(self._model):
                await self._run(items, numbers, send)
        except ModelFailed as error:
            note_mistake(error, items)
            return error
        except NaiadError as error:
            return error
        except asyncio.CancelledError:
            return NotReady("the model is being unloaded")
        except BaseException as error:  # noqa: BLE001 - a function may raise anything, SystemExit would end the loop
            if len(items) == 1 or self._streams:
                _log.exception("the function of model '%s' failed", self._model.name)
            return ModelFailed(f"{type(error).__name__}: {error}")
        return None

    async def _run(self, items: Sequence[InferRequest], numbers: Sequence[int], send: Send) -> None:
        requests = [Request.of(item) for item in items]
        if not self._streams:
            answers = self._results.answers(items, await self._limited(self._function(requests)))
            for number, answer in zip(numbers, answers, strict=True):
                send(number, answer, True)
            return
        waiting, sent = set(numbers), dict.fromkeys(numbers, 0)
        steps = self._function(requests)
        try:
            while waiting and (returned := await self._limited(anext(steps, _END))) is not _END:
                for number, answer in zip(numbers, self._results.answers(items, returned), strict=True):
                    if answer is not None and number in waiting:
                        sent[number] += 1
                        if not send(number, answer, False):
                            waiting.discard(number)
                await _all_taken([(item.flow, sent[one]) for one, item in zip(numbers, items, strict=True)])
        finally:
            await steps.aclose()
        for number in numbers:
            send(number, None, True)

    async def _limited(self, awaitable: Awaitable[Any]) -> Any:
        """Wait no longer than is allowed. Raises ModelFailed."""
        try:
            async with asyncio.timeout(self._limit_s) as limit:
                return await awaitable
        except TimeoutError as error:
            if not limit.expired():
                raise
            message = f"the function of model '{self._model.name}' has not returned within {self._limit_s:g} s"
            raise ModelFailed(message, model=self._model.name) from error


async def _all_taken(held: Sequence[tuple[Flow | None, int]]) -> None:
    """Wait until so many answers to each request have been taken up, where anything holds them back."""
    loop = asyncio.get_running_loop()
    for flow, number in held:
        if flow is not None:
            came = asyncio.Event()
            flow.when(number, partial(loop.call_soon_threadsafe, came.set))
            await came.wait()
