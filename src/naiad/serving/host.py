"""The server as code inside of a model sees it: requests to other models, loading them, metrics.

Such code runs in threads and processes of its own; everything here is done on the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from threading import get_ident
from typing import Any, TypeVar

from naiad.core.errors import NaiadError, NotFound, NotReady
from naiad.core.message import Deliver, InferRequest
from naiad.core.model.host import CustomMetrics
from naiad.core.trace import Trace
from naiad.serving.control import LoadParameters, ModelControl
from naiad.serving.engine import Engine
from naiad.serving.readiness import can_answer
from naiad.serving.response_sender import ResponseSender

Value = TypeVar("Value")


class Host:
    """A `ModelHost`."""

    def __init__(self, engine: Engine, control: ModelControl, metrics: CustomMetrics) -> None:
        self.metrics = metrics
        self._engine = engine
        self._control = control
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        """The loop's."""

    def begin(self) -> None:
        """Serve from now on; on the event loop's thread."""
        self._loop = asyncio.get_running_loop()
        self._thread = get_ident()

    def infer(
        self, request: InferRequest, deliver: Deliver, parent: Trace | None, *, takes_one: bool
    ) -> Callable[[], None]:
        """See `ModelHost.infer`."""
        call = _Call(self._engine, request, deliver, parent, takes_one=takes_one)
        loop = self._running
        if get_ident() == self._thread:
            call.begin()
        else:
            loop.call_soon_threadsafe(call.begin)
        return lambda: _on(loop, call.cancel)

    def load(self, name: str, config: str | None, files: Mapping[str, str]) -> Future[None]:
        """See `ModelHost.load`."""

        async def load() -> None:
            await self._control.load(name, LoadParameters(config, files))

        return self._run(load())

    def unload(self, name: str, *, dependents: bool) -> Future[None]:
        """See `ModelHost.unload`."""

        async def unload() -> None:
            await self._control.unload(name, unload_dependents=dependents)

        return self._run(unload())

    def is_ready(self, name: str, version: str) -> Future[bool]:
        """See `ModelHost.is_ready`."""

        async def ask() -> bool:
            try:
                return can_answer(self._engine.catalog.find(name, version))
            except (NotFound, NotReady):
                return False

        return self._run(ask())

    def describe(self, name: str, version: str) -> Future[dict[str, Any]]:
        """See `ModelHost.describe`."""

        async def describe() -> dict[str, Any]:
            config = self._engine.catalog.find(name, version).config
            inputs = [[tensor.name, tensor.datatype, tensor.optional] for tensor in config.inputs]
            return {"inputs": inputs, "outputs": [tensor.name for tensor in config.outputs]}

        return self._run(describe())

    def room(self, name: str, version: str) -> int:
        """See `ModelHost.room`."""
        try:
            tally = self._engine.catalog.find(name, version).statistics.tally
        except (NotFound, NotReady):
            return 1
        return int(tally().instances) if tally is not None else 1

    @property
    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise NotReady("the server has not begun yet")
        return self._loop

    def _run(self, coroutine: Coroutine[Any, Any, Value]) -> Future[Value]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._running)


class _Call:
    """One request of a model's; on the event loop's thread."""

    def __init__(
        self, engine: Engine, request: InferRequest, deliver: Deliver, parent: Trace | None, *, takes_one: bool
    ) -> None:
        self._engine = engine
        self._request = request
        self._deliver = deliver
        self._parent = parent
        self._takes_one = takes_one
        self._sender: ResponseSender | None = None
        self._is_cancelled = False

    def begin(self) -> None:
        if self._is_cancelled:
            return
        request = self._request
        try:
            model = self._engine.route(request.model_name, request.model_version, was_accepted=True)
            if self._parent is not None:
                self._engine.tracing.follow_step(request, self._parent)
        except NaiadError as error:
            self._deliver(error, True)
            return
        self._sender = self._engine.submit(model, request, self._deliver, takes_one=self._takes_one)

    def cancel(self) -> None:
        self._is_cancelled = True
        if self._sender is not None:
            self._sender.cancel()


def _on(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)
