"""A gRPC connection to one server, for threads and for asyncio; on grpcio's plain channel, which both may share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from naiad.client.errors import Unreachable
from naiad.client.grpc.calls import STREAM, GrpcCall
from naiad.client.grpc.stream import GrpcStream
from naiad.core import errors
from naiad.core.machine.daemon_threads import DaemonThreads
from naiad.proto.pool import message_class

Value = TypeVar("Value")

_SERVICE = "/inference.GRPCInferenceService"
_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]

BY_STATUS: dict[str, type[errors.NaiadError]] = {
    "INVALID_ARGUMENT": errors.InvalidRequest,
    "NOT_FOUND": errors.NotFound,
    "UNIMPLEMENTED": errors.Unsupported,
    "ALREADY_EXISTS": errors.AlreadyExists,
    "UNAVAILABLE": errors.NotReady,
    "RESOURCE_EXHAUSTED": errors.Overloaded,
    "CANCELLED": errors.Cancelled,
    "DEADLINE_EXCEEDED": errors.DeadlineExceeded,
}
"""The widest class for each status; every other is Failed."""


class GrpcChannel:
    """Connects when it is first used. Every method raises NaiadError, as `naiad.Client` does."""

    def __init__(self, address: str, *, headers: Mapping[str, str] | None = None) -> None:
        """address: host:port. headers: sent with every call."""
        import grpc

        self._address = address
        self._headers = tuple((headers or {}).items())
        self._channel: Any = grpc.insecure_channel(address, options=_OPTIONS)
        self._unary: dict[str, Any] = {}
        self._readers = DaemonThreads(64, "naiad-grpc")

    def send(
        self, call: GrpcCall[Value], timeout_s: float | None = None, headers: Mapping[str, str] | None = None
    ) -> Value:
        """Do one RPC, and wait for it."""
        import grpc

        try:
            answer = self._method(call)(call.request, timeout=timeout_s, metadata=self._metadata(headers))
        except grpc.RpcError as error:
            raise self._translated(error, timeout_s) from error
        return call.read(answer)

    async def ask(
        self, call: GrpcCall[Value], timeout_s: float | None = None, headers: Mapping[str, str] | None = None
    ) -> Value:
        """Do one RPC; cancelling the await cancels it."""
        import grpc

        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()

        def tell(_: Any) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(lambda: None if over.done() else over.set_result(None))

        began = self._method(call).future(call.request, timeout=timeout_s, metadata=self._metadata(headers))
        began.add_done_callback(tell)
        try:
            await over
        except asyncio.CancelledError:
            began.cancel()
            raise
        try:
            return call.read(began.result())
        except grpc.RpcError as error:
            raise self._translated(error, timeout_s) from error

    def stream(
        self, call: GrpcCall[Value], silence_s: float | None = None, headers: Mapping[str, str] | None = None
    ) -> GrpcStream[Value]:
        """Send one request of a decoupled model; iterate over its answers, and close it to listen no more.

        silence_s: the longest that is put up with between two answers.
        """
        call.request.parameters["triton_enable_empty_final_response"].bool_param = True
        begin = self._channel.stream_stream(
            f"{_SERVICE}/{STREAM}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_class("ModelStreamInferResponse").FromString,
        )
        rpc = begin(iter([call.request]), metadata=self._metadata(headers))
        return GrpcStream(rpc, call.read, lambda error: self._translated(error, silence_s), silence_s)

    async def astream(
        self, call: GrpcCall[Value], silence_s: float | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Value]:
        """As `stream`, in asyncio; a thread reads."""
        loop = asyncio.get_running_loop()
        answers = self.stream(call, silence_s, headers)
        end = object()
        try:
            while (answer := await loop.run_in_executor(self._readers, next, answers, end)) is not end:
                yield answer  # type: ignore[misc]  # `end` is told apart
        finally:
            answers.close()

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()
        self._readers.shutdown(wait=False)

    def _method(self, call: GrpcCall[Any]) -> Any:
        method = self._unary.get(call.method)
        if method is None:
            method = self._unary[call.method] = self._channel.unary_unary(
                f"{_SERVICE}/{call.method}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=message_class(call.answer).FromString,
            )
        return method

    def _metadata(self, headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
        return (*self._headers, *((name.lower(), str(value)) for name, value in (headers or {}).items()))

    def _translated(self, error: Any, timeout_s: float | None) -> errors.NaiadError:
        status, message = error.code().name, error.details() or ""
        if status == "DEADLINE_EXCEEDED":
            return errors.DeadlineExceeded(
                f"no answer from {self._address} within {timeout_s:g} s", address=self._address
            )
        if status == "UNAVAILABLE" and any(word in message.lower() for word in ("connect", "socket", "resolv")):
            return Unreachable(
                f"no server answers at {self._address} ({message}). Is it running, and is this its gRPC port?",
                address=self._address,
            )
        return BY_STATUS.get(status, errors.Failed)(message, address=self._address)
