"""A listening socket for gRPC over HTTP/2 and its connections: open, stop accepting, drain, close."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence

from naiad.core.clock import Clock, monotonic
from naiad.serving.worker import Worker
from naiad.wire.grpc.call import Serve
from naiad.wire.grpc.http2.connection import GrpcConnection
from naiad.wire.grpc.http2.deadlines import Deadlines
from naiad.wire.grpc.http2.options import Http2Options
from naiad.wire.listening import Listening, listen
from naiad.wire.waiting import Account, Waiting

_TELLING_S = 0.25
"""What clients get to hear that they must send no more calls; one that is dead or very far off does not hold us up."""
_GRACE_S = 1.0
"""What the last answers, and our goodbye, get to reach their clients."""


class Http2Listener:
    """One gRPC port."""

    def __init__(
        self,
        serve: Serve,
        options: Http2Options | None = None,
        now: Clock = monotonic,
        waiting: Waiting | None = None,
        worker: Worker | None = None,
    ) -> None:
        """serve: takes every call. now: the clock of deadlines. waiting, worker: the server's."""
        self._serve = serve
        self._options = options or Http2Options()
        self._now = now
        self._waiting = waiting or Waiting()
        self._worker = worker or Worker()
        self._connections: set[GrpcConnection] = set()
        self._server: Listening | None = None
        self._deadlines = Deadlines(now, lambda delay_s, ring: asyncio.get_running_loop().call_later(delay_s, ring))
        self.port = 0
        """The port in use, once open; chosen by the system when 0 was asked for."""

    async def open(
        self, hosts: Sequence[str], port: int, option: str, tls: ssl.SSLContext | None = None, reuse_port: bool = False
    ) -> None:
        """Listen. Raises InvalidConfiguration naming the option when the address cannot be had.

        tls: a server's context with its certificate; ALPN is set here.
        """
        if tls is not None:
            tls.set_alpn_protocols(["h2"])
        self._server = await listen(self._connection, hosts, port, option, tls, reuse_port)
        self.port = self._server.port

    def _connection(self) -> GrpcConnection:
        account, worker = Account(self._waiting), self._worker
        return GrpcConnection(
            self._serve, self._options, self._connections, self._deadlines, self._now, account, worker
        )

    async def stop_accepting(self) -> None:
        """Take no new connections, but all that clients have made; clients are told to send no more calls."""
        self._tell()
        if self._server is not None:
            await self._server.drain()
        self._tell()

    def _tell(self) -> None:
        for connection in list(self._connections):
            connection.drain()

    def finish_connections(self) -> None:
        """Close every connection as soon as its answers are sent; calls that still wait for their clients end."""
        for connection in list(self._connections):
            connection.finish()

    async def wait_told(self) -> None:
        """After `stop_accepting`: wait until clients know, so that calls which were on their way have come."""
        deadline_s = self._now() + _TELLING_S
        for connection in list(self._connections):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(connection.told.wait(), max(0.0, deadline_s - self._now()))

    async def wait_closed(self) -> None:
        """Wait until every connection has sent what it owed and is gone; a slow reader takes its time."""
        while self._connections:
            await next(iter(self._connections)).lost.wait()

    async def close(self) -> None:
        """Close everything: calls that are answered get a moment to reach their clients, the others end."""
        if self._server is not None:
            self._server.close()
        self.finish_connections()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wait_closed(), _GRACE_S)
        self._deadlines.close()
        for connection in list(self._connections):
            connection.abort()
