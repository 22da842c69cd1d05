"""The gRPC door on grpc.aio: the plain transport, grpcio's own HTTP/2 with a task for each call.

The only file that imports grpcio, and it does so when the door is opened.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.wire.grpc.call import Serve
from naiad.wire.listening import address, cannot_listen
from naiad.wire.tls import TlsFiles

_GRACE_S = 1.0
"""What the last answers get to reach their clients once every request has been answered."""


class AioListener:
    """One gRPC port."""

    def __init__(self, serve: Serve, max_message_bytes: int, clock: Clock = monotonic) -> None:
        """max_message_bytes: of a request; answers may have any size."""
        self._serve = serve
        self._max_message_bytes = max_message_bytes
        self._clock = clock
        self._server: Any = None
        self.port = 0
        """The port in use, once open; chosen by the system when 0 was asked for."""

    async def open(
        self, host: str, port: int, option: str, tls: TlsFiles | None = None, reuse_port: bool = False
    ) -> None:
        """Listen. Raises InvalidConfiguration naming the option when the address, or a file, cannot be had."""
        import grpc

        credentials = None if tls is None else tls.grpc_credentials()
        _check_free(host, port, option, reuse_port)
        server = grpc.aio.server(
            handlers=[_handler(self._serve, self._clock)],
            options=[
                ("grpc.max_receive_message_length", self._max_message_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", int(reuse_port)),
            ],
        )
        try:
            self.port = (
                server.add_insecure_port(address(host, port))
                if credentials is None
                else server.add_secure_port(address(host, port), credentials)
            )
        except RuntimeError as error:
            raise cannot_listen(host, port, option, error) from error
        await server.start()
        self._server = server

    async def close(self) -> None:
        """Take no more calls, let those that are answered finish, end the others."""
        if self._server is not None:
            await self._server.stop(_GRACE_S)


def _check_free(host: str, port: int, option: str, reuse_port: bool) -> None:
    """Bind the address for a moment, because grpcio tells the reason of a failure to its own log alone."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family, reuse_port=reuse_port).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise cannot_listen(host, port, option, error) from error


class AioCall:
    """One RPC; see `Call`."""

    def __init__(self, method: str, metadata: Mapping[str, str], deadline_s: float | None) -> None:
        self.method = method
        self.metadata = metadata
        self.deadline_s = deadline_s
        self.on_message: Any = None
        self.on_end: Any = None
        self.on_cancel: Any = None
        self.status = ""
        """Empty until the call is finished."""
        self.details = ""
        self._outbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        """Messages to write; None ends them."""

    def send(self, message: bytes) -> None:
        """See `Call`."""
        if not self.status:
            self._outbox.put_nowait(message)

    def finish(self, status: str = "OK", message: str = "") -> None:
        """See `Call`."""
        if not self.status:
            self.status, self.details = status, message
            self._outbox.put_nowait(None)

    def abandon(self) -> None:
        """Tell the servicer that nobody waits any more."""
        if not self.status:
            self.status = "CANCELLED"
            if self.on_cancel is not None:
                self.on_cancel()

    async def read(self, context: Any) -> None:
        """Hand over what the client sends, until it will send no more."""
        import grpc

        while (message := await context.read()) is not grpc.aio.EOF:
            if self.on_message is not None:
                self.on_message(message)
        if self.on_end is not None:
            self.on_end()

    async def write(self, context: Any) -> None:
        """Write what the servicer sends, until it finishes."""
        while (message := await self._outbox.get()) is not None:
            await context.write(message)


def _handler(serve: Serve, clock: Clock) -> Any:
    """Make the handler of every method: bytes in, bytes out, and the servicer decides which methods there are."""
    import grpc

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
        def service(self, handler_call_details: Any) -> Any:
            details = handler_call_details

            async def handle(_: Any, context: Any) -> None:
                await _run(serve, _call(details, context, clock), context)

            return grpc.stream_stream_rpc_method_handler(handle)

    return Handler()


def _call(details: Any, context: Any, clock: Clock) -> AioCall:
    metadata = {key: value for key, value in details.invocation_metadata or () if isinstance(value, str)}
    remaining_s = context.time_remaining()
    return AioCall(details.method, metadata, None if remaining_s is None else clock() + remaining_s)


async def _run(serve: Serve, call: AioCall, context: Any) -> None:
    """Serve one call; grpc.aio cancels this task when the client cancels or the deadline passes."""
    import grpc

    serve(call)
    try:
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(call.read(context))
            await call.write(context)
            reader.cancel()
    except asyncio.CancelledError:
        call.abandon()
        raise
    if call.status != "OK":
        context.set_code(grpc.StatusCode[call.status])
        context.set_details(call.details)
