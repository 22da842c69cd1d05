"""One HTTP connection with a transport made of a list: no sockets, no loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from naiad.protocol.limits import Limits
from naiad.testing import ManualClock
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.http1.capacity import Capacity
from naiad.wire.http.http1.connection import HttpConnection
from naiad.wire.http.http1.heads import KnownHeads
from naiad.wire.http.http1.timeouts import HttpTimes, Watch
from naiad.wire.http.origins import Origins


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False
        self.aborted = False
        self.has_ended = False
        self.reading = True
        self.unsent = 0

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.has_ended = True

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    @property
    def text(self) -> bytes:
        return b"".join(self.written)


class Door:
    """A connection and what came through it."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        answers: bool = True,
        dispatch: Callable[[Exchange], None] | None = None,
        capacity: Capacity | None = None,
        times: HttpTimes | None = None,
        origins: Origins | None = None,
    ) -> None:
        self.exchanges: list[Exchange] = []
        self.wire = Wire()
        self.connections: set[HttpConnection] = set()
        self.clock = ManualClock()
        self.rings: list[tuple[float, Callable[[], None]]] = []
        """What the watch has asked to be called, and when."""
        self._answers = answers
        self.capacity = capacity or Capacity()
        watch = None
        if times is not None:
            watch = Watch(self.connections, times, self.clock, self._call_later)
        self.connection = HttpConnection(
            dispatch or self._dispatch,
            limits or Limits(),
            self.connections,
            KnownHeads(),
            self.capacity,
            watch,
            origins,
        )
        self.connection.connection_made(self.wire)

    def _call_later(self, delay_s: float, ring: Callable[[], None]) -> None:
        self.rings.append((self.clock() + delay_s, ring))

    def _dispatch(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        if self._answers:
            exchange.answer(200, exchange.body)

    def send(self, data: bytes, piece: int = 0) -> bytes:
        """Deliver bytes, in pieces of that size; returns all that was written so far."""
        step = piece or len(data)
        for at in range(0, len(data), step):
            self.connection.data_received(data[at : at + step])
        return self.wire.text

    def wait(self, seconds: float) -> None:
        """Let time pass, and the watch look when it wants to."""
        end_s = self.clock() + seconds
        while self.rings and self.rings[0][0] <= end_s:
            at_s, ring = self.rings.pop(0)
            self.clock.advance(at_s - self.clock())
            ring()
        self.clock.advance(end_s - self.clock())


POST = b"POST /x?q=1 HTTP/1.1\r\nHost: h\r\nX-Thing: 1\r\nx-thing: 2\r\nContent-Length: 5\r\n\r\nhello"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
