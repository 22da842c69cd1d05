"""A listening socket and its connections: open, stop accepting, drain, close."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence

from naiad.core.clock import Clock, monotonic
from naiad.protocol.limits import Limits
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.http1.capacity import Capacity
from naiad.wire.http.http1.connection import HttpConnection
from naiad.wire.http.http1.heads import KnownHeads
from naiad.wire.http.http1.timeouts import HttpTimes, Watch
from naiad.wire.listening import Listening, listen


class HttpListener:
    """One HTTP port."""

    def __init__(
        self,
        dispatch: Callable[[Exchange], None],
        limits: Limits,
        times: HttpTimes | None = None,
        capacity: Capacity | None = None,
        now: Clock = monotonic,
    ) -> None:
        """dispatch: takes every request. now: the clock of times."""
        self._dispatch = dispatch
        self._limits = limits
        self._connections: set[HttpConnection] = set()
        self._heads = KnownHeads()
        self._capacity = capacity or Capacity()
        self._watch = Watch(
            self._connections,
            times or HttpTimes(),
            now,
            lambda delay_s, ring: asyncio.get_running_loop().call_later(delay_s, ring),
        )
        self._server: Listening | None = None
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
        return HttpConnection(self._dispatch, self._limits, self._connections, self._heads, self._capacity, self._watch)

    def stop_accepting(self) -> None:
        """Take no new connections; those that exist are told with their next answer that it is the last."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.drain()

    async def wait_told(self) -> None:
        """Return at once: a client of HTTP/1.1 is told with its next answer."""

    def finish_connections(self) -> None:
        """Close every connection as soon as it has its answers."""
        for connection in list(self._connections):
            connection.finish()

    async def wait_closed(self) -> None:
        """Wait until every connection has sent what it owed and is gone; a slow reader takes its time."""
        while self._connections:
            await next(iter(self._connections)).lost.wait()

    async def close(self) -> None:
        """Close everything at once."""
        self.stop_accepting()
        self._watch.close()
        for connection in list(self._connections):
            connection.abort()
