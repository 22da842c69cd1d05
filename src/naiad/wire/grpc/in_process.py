"""The gRPC door without a port: calls of this process, their messages as bytes, for whoever has a transport already."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping

from naiad.wire.grpc.call import Serve
from naiad.wire.grpc.queued_call import QueuedCall
from naiad.wire.running import Running
from naiad.wire.waiting import Account, Waiting

_log = logging.getLogger("naiad.wire.grpc")


class CallFailed(Exception):
    """A call that did not end well."""

    def __init__(self, status: str, details: str) -> None:
        super().__init__(f"{status}: {details}")
        self.status = status
        """By its gRPC name: `NOT_FOUND` …"""
        self.details = details


class GrpcCalls:
    """Makes calls. Used on the event loop of the server."""

    def __init__(self, serve: Serve, waiting: Waiting) -> None:
        self._serve = serve
        self._waiting = waiting
        self.running = Running()
        """Calls that are not over."""

    async def ask(
        self, method: str, message: bytes, metadata: Mapping[str, str], trailing: dict[str, bytes] | None = None
    ) -> bytes:
        """Make a call of one message and return the message of its answer; cancelling the await withdraws it.

        method: full path, `/inference.GRPCInferenceService/ModelInfer`. metadata: names in lower case. trailing: gets
        the metadata of the answer. Raises CallFailed.
        """
        answer = b""
        with self.running:
            call = QueuedCall(method, metadata, None, Account(self._waiting))
            try:
                self._serve(call)
                call.take(message)
                call.take_end()
                while (one := await call.outbox.get()) is not None:
                    answer = one
            finally:
                call.abandon()
                call.account.close()
        if trailing is not None and call.trailing is not None:
            trailing.update(call.trailing())
        _check(call)
        return answer

    async def stream(
        self, method: str, messages: AsyncIterator[bytes], metadata: Mapping[str, str]
    ) -> AsyncIterator[bytes]:
        """Make a call of many messages and yield those of its answer as they come. Raises CallFailed at its end."""
        with self.running:
            call = QueuedCall(method, metadata, None, Account(self._waiting))
            self._serve(call)
            reader = asyncio.ensure_future(_read(call, messages))
            try:
                while (one := await call.outbox.get()) is not None:
                    yield one
            finally:
                reader.cancel()
                call.abandon()
                call.account.close()
        _check(call)


async def _read(call: QueuedCall, messages: AsyncIterator[bytes]) -> None:
    try:
        async for message in messages:
            call.take(message)
    except Exception:  # noqa: BLE001 - whatever the transport raises, the call ends
        _log.exception("the messages of %s could not be read", call.method)
        call.end()
    else:
        call.take_end()


def _check(call: QueuedCall) -> None:
    if call.status != "OK":
        raise CallFailed(call.status, call.details)
