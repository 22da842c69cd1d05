"""The gRPC door on grpc.aio: the plain transport, grpcio's own HTTP/2 with a task for each call.

The only file that imports grpcio, and it does so when the door is opened.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.serving.worker import Worker
from naiad.wire.grpc.call import Serve
from naiad.wire.grpc.compression import choose_encoding
from naiad.wire.grpc.http2.options import Http2Options
from naiad.wire.grpc.queued_call import QueuedCall
from naiad.wire.listening import address, cannot_listen, open_sockets
from naiad.wire.tls import TlsFiles
from naiad.wire.waiting import Account, Waiting

_FOREVER_S = 7 * 86400.0
"""Calls that run are ended by the servicer, not by the transport."""
_GRACE_S = 1.0
"""What the last answers get to reach their clients once every request has been answered. On its own grpcio would wait
20 s for a client that does not say that it knows."""


class AioListener:
    """One gRPC port."""

    def __init__(
        self,
        serve: Serve,
        options: Http2Options | None = None,
        clock: Clock = monotonic,
        waiting: Waiting | None = None,
        worker: Worker | None = None,
    ) -> None:
        del worker  # grpcio has threads of its own
        self._serve = serve
        self._options = options or Http2Options()
        self._clock = clock
        self._account = Account(waiting)
        """One for all: grpcio does not tell connections apart."""
        self._account.most_bytes = self._account.waiting.most_bytes
        self._server: Any = None
        self._stopping: asyncio.Task[None] | None = None
        self._running: dict[asyncio.Task[None], AioCall] = {}
        """Calls that are not over, by the tasks that serve them."""
        self._grace_s = _GRACE_S
        self.port = 0
        """The port in use, once open; chosen by the system when 0 was asked for."""

    async def open(
        self, hosts: Sequence[str], port: int, option: str, tls: TlsFiles | None = None, reuse_port: bool = False
    ) -> None:
        """Listen. Raises InvalidConfiguration naming the option when the address, or a file, cannot be had."""
        import grpc

        credentials = None if tls is None else _credentials(tls)
        places = _free_places(hosts, port, option, reuse_port)
        server = grpc.aio.server(
            handlers=[_handler(self._serve, self._clock, self._running, self._account)],
            options=[*_options(self._options), ("grpc.so_reuseport", int(reuse_port))],
        )
        for host, chosen in places:
            try:
                if credentials is None:
                    self.port = server.add_insecure_port(address(host, chosen))
                else:
                    self.port = server.add_secure_port(address(host, chosen), credentials)
            except RuntimeError as error:
                raise cannot_listen(host, chosen, option, error) from error
        await server.start()
        self._server = server

    async def stop_accepting(self) -> None:
        """Take no new connections; clients of those that exist are told to send no more calls on them."""
        if self._server is not None and self._stopping is None:
            self._stopping = asyncio.ensure_future(self._server.stop(_FOREVER_S))

    async def wait_told(self) -> None:
        """After `stop_accepting`: let what was on its way come; grpcio does not say when the last client knows."""
        await asyncio.sleep(0)

    def finish_connections(self) -> None:
        """Close every connection as soon as its answers are sent; calls that still wait for their clients end."""
        for call in list(self._running.values()):
            call.end()

    async def wait_closed(self) -> None:
        """Wait until every call is over and its client has had a moment to read the answer."""
        while self._running:
            await asyncio.wait(self._running)
        if self._stopping is not None:
            await asyncio.wait([self._stopping], timeout=self._grace_s)
            self._grace_s = 0.0

    async def close(self) -> None:
        """Take no more calls, let those that are answered finish, end the others."""
        if self._server is not None:
            await self._server.stop(self._grace_s or None)
        if self._stopping is not None:
            await self._stopping


def _options(options: Http2Options) -> list[tuple[str, int]]:
    """Return them as gRPC's channel arguments; what it calls infinite is its largest number."""

    def milliseconds(time_s: float) -> int:
        return 2**31 - 1 if time_s == math.inf else min(int(time_s * 1000), 2**31 - 1)

    limits = options.limits
    return [
        ("grpc.max_receive_message_length", options.message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", limits.streams),
        ("grpc.max_metadata_size", limits.header_bytes),
        ("grpc.absolute_max_metadata_size", limits.header_bytes),
        ("grpc.keepalive_time_ms", milliseconds(options.keepalive_s)),
        ("grpc.keepalive_timeout_ms", milliseconds(options.keepalive_timeout_s)),
        ("grpc.keepalive_permit_without_calls", int(options.keepalive_without_calls)),
        ("grpc.http2.max_pings_without_data", options.keepalive_pings),
        ("grpc.http2.min_ping_interval_without_data_ms", milliseconds(limits.ping_interval_s)),
        ("grpc.http2.max_ping_strikes", limits.ping_strikes),
        ("grpc.max_connection_age_ms", milliseconds(options.age_s)),
        ("grpc.max_connection_age_grace_ms", milliseconds(options.age_grace_s)),
        ("grpc.max_connection_idle_ms", milliseconds(options.idle_s)),
    ]


def _credentials(tls: TlsFiles) -> Any:
    """Return what grpcio takes in place of a context."""
    import grpc

    pair = (Path(tls.key).read_bytes(), Path(tls.cert).read_bytes())
    authority = Path(tls.client_ca).read_bytes() if tls.client_ca else None
    return grpc.ssl_server_credentials([pair], authority, require_client_auth=authority is not None)


def _free_places(hosts: Sequence[str], port: int, option: str, reuse_port: bool) -> list[tuple[str, int]]:
    """Addresses and ports to listen on: bound for a moment, because grpcio tells why it cannot to its own log alone."""
    sockets = open_sockets(hosts, port, option, reuse_port)
    places = [one.getsockname()[:2] for one in sockets]
    for one in sockets:
        one.close()
    return places


class AioCall(QueuedCall):
    """One RPC; see `Call`."""

    def compress(self, level: str) -> None:
        """See `Call`; grpcio does it."""
        self.encoding = choose_encoding(level, self.metadata.get("grpc-accept-encoding", "gzip,deflate"))

    async def read(self, context: Any) -> None:
        """Hand over what the client sends, until it will send no more."""
        import grpc

        while (message := await context.read()) is not grpc.aio.EOF:
            self.take(message)
        self.take_end()

    async def write(self, context: Any) -> None:
        """Write what the servicer sends, until it finishes."""
        while (message := await self.outbox.get()) is not None:
            await context.write(message)


def _handler(serve: Serve, clock: Clock, running: dict[asyncio.Task[None], AioCall], account: Account) -> Any:
    """Make the handler of every method: bytes in, bytes out, and the servicer decides which methods there are.

    running: gets every call by its task for as long as it is not over.
    """
    import grpc

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
        def service(self, handler_call_details: Any) -> Any:
            details = handler_call_details

            async def handle(_: Any, context: Any) -> None:
                task = asyncio.current_task()
                assert task is not None  # this is one
                call = running[task] = _call(details, context, clock, account)
                task.add_done_callback(running.pop)
                await _run(serve, call, context)

            return grpc.stream_stream_rpc_method_handler(handle)

    return Handler()


def _call(details: Any, context: Any, clock: Clock, account: Account) -> AioCall:
    metadata = {key: value for key, value in details.invocation_metadata or () if isinstance(value, str)}
    remaining_s = context.time_remaining()
    return AioCall(details.method, metadata, None if remaining_s is None else clock() + remaining_s, account)


async def _run(serve: Serve, call: AioCall, context: Any) -> None:
    """Serve one call; grpc.aio cancels this task when the client cancels or the deadline passes."""
    import grpc

    serve(call)
    if call.encoding:
        context.set_compression({"gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}[call.encoding])
    try:
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(call.read(context))
            await call.write(context)
            reader.cancel()
    except asyncio.CancelledError:
        call.abandon()
        raise
    if call.trailing is not None:
        metadata = call.trailing().items()
        context.set_trailing_metadata(
            tuple((name, value if name.endswith("-bin") else value.decode()) for name, value in metadata)
        )
    if call.status != "OK":
        context.set_code(grpc.StatusCode[call.status])
        context.set_details(call.details)
