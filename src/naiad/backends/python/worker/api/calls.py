"""Requests to other models of the same server (BLS), and their answers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Optional

from .. import wire
from ..link import current
from .errors import TritonError, TritonModelException
from .response import InferenceResponse
from .tensor import Tensor

if TYPE_CHECKING:
    import asyncio

_Answer = tuple[Optional[InferenceResponse], bool]


class Call:
    """One request under way; its answers come on the receiving thread, or to the one that waits for orders."""

    def __init__(self, request: Any, *, is_decoupled: bool, waits: bool = False) -> None:
        """Sends it. Raises TritonModelException outside of `execute`, and for a request without a model.

        waits: nothing but `wait` follows.
        """
        link = current()
        if not link.is_serving:
            raise TritonModelException("BLS is only supported during the 'execute' function.")
        if not request.model_name():
            raise TritonModelException("a request to another model needs a model_name")
        self.is_decoupled = is_decoupled
        self.is_over = False
        self._link = link
        self._answers: SimpleQueue[_Answer] = SimpleQueue()
        self._is_direct = waits and link.can_take_answers
        self._loop, self._came = (None, None) if waits else _event_on_loop()
        self._number = link.number() if self._is_direct else link.expect(self._take)
        packed = link.packed()
        row = _request_row(packed, request)
        link.send(wire.CALL, {"c": self._number, "r": row, "d": is_decoupled, "o": self._is_direct}, packed)

    def next(self) -> _Answer:
        """Wait for the next answer, and whether it is the last."""
        answer = self._answers.get()
        self.is_over = self.is_over or answer[1]
        return answer

    async def next_async(self) -> _Answer:
        """Wait for the next answer on the event loop that made the call."""
        came = self._came
        assert came is not None  # who awaits has a loop
        while self._answers.empty():
            came.clear()
            if self._answers.empty():
                await came.wait()
        return self.next()

    def wait(self) -> InferenceResponse:
        """Wait for the one answer."""
        if self._is_direct:
            header, unpacked = self._link.answer(self._number)
            return _one(None if header["a"] is None else _response(header["a"], unpacked))
        try:
            return _one(self.next()[0])
        finally:
            self.let_go()

    async def wait_async(self) -> InferenceResponse:
        """Wait for the one answer; a task that is cancelled meanwhile withdraws the request."""
        try:
            return _one((await self.next_async())[0])
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Want no more answers; the server hears of it if there may be any."""
        self._link.forget(self._number)
        if not self.is_over:
            self.is_over = True
            self._link.send(wire.LET_GO, {"c": self._number})

    def _take(self, header: dict[str, Any], unpacked: Any) -> None:
        """Take a message of the server's."""
        response = None if header["a"] is None else _response(header["a"], unpacked)
        self._answers.put((response, bool(header["f"])))
        if header["f"]:
            self._link.forget(self._number)
        if self._loop is not None and self._came is not None:
            try:
                self._loop.call_soon_threadsafe(self._came.set)
            except RuntimeError:  # the loop is closed: nobody waits
                return


class ResponseIterator:
    """The answers of a decoupled model, one by one; `for` and `async for` alike."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __iter__(self) -> Iterator[InferenceResponse]:
        return self

    def __next__(self) -> InferenceResponse:
        if self._call.is_over:
            raise StopIteration
        response, is_final = self._call.next()
        if response is None:
            if is_final:
                raise StopIteration
            return self.__next__()
        return response

    def __aiter__(self) -> ResponseIterator:
        return self

    async def __anext__(self) -> InferenceResponse:
        if self._call.is_over:
            raise StopAsyncIteration
        response, _ = await self._call.next_async()
        if response is None:
            raise StopAsyncIteration
        return response

    def cancel(self) -> None:
        """Want no more answers."""
        self._call.let_go()

    def __del__(self) -> None:
        self._call.let_go()


def _event_on_loop() -> tuple[asyncio.AbstractEventLoop | None, asyncio.Event | None]:
    """Return the event loop that runs in this thread, and an event of it; nothing where none does."""
    if "asyncio" not in sys.modules:
        return None, None
    import asyncio

    try:
        return asyncio.get_running_loop(), asyncio.Event()
    except RuntimeError:
        return None, None


def _one(response: InferenceResponse | None) -> InferenceResponse:
    return response or InferenceResponse(error=TritonError("the model has given no answer"))


def _request_row(packed: Any, request: Any) -> list[Any]:
    tensors = [packed.add(one._name, one._datatype, one._data) for one in request.inputs()]
    trace = request.trace()._number
    version = request.model_version()
    return [
        request.model_name(),
        "" if version < 0 else str(version),
        request.request_id(),
        request.correlation_id(),
        request.flags(),
        request.timeout(),
        request._parameters or None,
        request.requested_output_names(),
        trace,
        tensors,
    ]


def _response(row: list[Any], unpacked: Any) -> InferenceResponse:
    error, parameters, tensors = row
    if error is not None:
        return InferenceResponse(error=TritonError(error[1], error[0]))
    made = InferenceResponse([Tensor._of(one[0], one[1], unpacked.array(one)) for one in tensors])
    made._parameters = parameters
    return made
