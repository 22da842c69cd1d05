"""A listening socket and its connections: open, stop accepting, drain, close."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Sequence

from naiad.core.clock import Clock, monotonic
from naiad.protocol.limits import Limits
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.http1.capacity import Capacity
from naiad.wire.http.http1.connection import HttpConnection
from naiad.wire.http.http1.heads import KnownHeads
from naiad.wire.http.http1.timeouts import HttpTimes, Watch
from naiad.wire.http.origins import Origins
from naiad.wire.listening import Listening, listen

TELLING_S = 0.25
"""What clients get to send a last request: HTTP/1.1 has no other word for the end than an answer."""


class HttpListener:
    """One HTTP port."""

    def __init__(
        self,
        dispatch: Callable[[Exchange], None],
        limits: Limits,
        times: HttpTimes | None = None,
        capacity: Capacity | None = None,
        origins: Origins | None = None,
        now: Clock = monotonic,
    ) -> None:
        """dispatch: takes every request. now: the clock of times."""
        self._dispatch = dispatch
        self._limits = limits
        self._connections: set[HttpConnection] = set()
        self._heads = KnownHeads()
        self._capacity = capacity or Capacity()
        self._origins = origins or Origins()
        self._watch = Watch(
            self._connections,
            times or HttpTimes(),
            now,
            lambda delay_s, ring: asyncio.get_running_loop().call_later(delay_s, ring),
        )
        self._server: Listening | None = None
        self._is_draining = False
        self._is_finishing = False
        self.port = 0
        """The port in use, once open; chosen by the system when 0 was asked for."""

    async def open(
        self, hosts: Sequence[str], port: int, option: str, tls: ssl.SSLContext | None = None, reuse_port: bool = False
    ) -> None:
        """Listen. Raises InvalidConfiguration naming the option when the address cannot be had.

        tls: a server's context with its certificate.
        """
        if tls is not None:
            tls.set_alpn_protocols(["http/1.1"])
        self._server = await listen(self._connection, hosts, port, option, tls, reuse_port)
        self.port = self._server.port

    def _connection(self) -> HttpConnection:
        made = HttpConnection(
            self._dispatch,
            self._limits,
            self._connections,
            self._heads,
            self._capacity,
            self._watch,
            self._origins,
        )
        if self._is_draining:
            made.drain()
        if self._is_finishing:
            made.finish()
        return made

    async def stop_accepting(self) -> None:
        """Take no new connections, but all that clients have made; the next answer on each says that it is the last."""
        self._is_draining = True
        for connection in self._connections:
            connection.drain()
        if self._server is not None:
            await self._server.drain()

    async def wait_told(self) -> None:
        """Wait a moment for requests that are on their way: what a client sends on an open connection is answered."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wait_closed(), TELLING_S)

    def finish_connections(self) -> None:
        """Close every connection as soon as it has its answers."""
        self._is_finishing = True
        for connection in list(self._connections):
            connection.finish()

    async def wait_closed(self) -> None:
        """Wait until every connection has sent what it owed and is gone; a slow reader takes its time."""
        while self._connections:
            await next(iter(self._connections)).lost.wait()

    async def close(self) -> None:
        """Close everything at once."""
        if self._server is not None:
            self._server.close()
        self._watch.close()
        for connection in list(self._connections):
            connection.abort()
