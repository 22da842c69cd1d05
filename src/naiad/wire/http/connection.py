"""One HTTP/1.1 connection: bytes in, exchanges out, answers back in the order of the requests.

Parsing is llhttp's (through httptools), once for each different head (`heads.py`). Knows nothing of routes or models: a
finished request goes to `dispatch` as an Exchange, and whoever has it answers it exactly once, now or later, from the
event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from naiad.protocol.limits import Limits
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.heads import KnownHeads

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HttpConnection(asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(
        self, dispatch: Callable[[Exchange], None], limits: Limits, connections: set[HttpConnection], heads: KnownHeads
    ) -> None:
        """Wait for the transport.

        dispatch: takes every complete request. connections: the listener's set; this one adds and removes itself.
        heads: the listener's, shared by all connections.
        """
        import httptools

        self._dispatch = dispatch
        self._limits = limits
        self._connections = connections
        self._heads = heads
        self._make_parser = httptools.HttpRequestParser
        self._parse_error = httptools.HttpParserError
        self._parser: Any = self._make_parser(self)
        self._transport: asyncio.Transport | None = None
        self._exchanges: deque[Exchange] = deque()
        """Requests not yet answered to the client, oldest first."""
        self._current = Exchange(self.flush)
        self._headers: dict[bytes, bytes] = {}
        """Of the current request."""
        self._chunks: list[bytes] = []
        self._body_bytes = 0
        self._header_bytes = 0
        self._unfinished_bytes = 0
        """Received while the headers of the current request were not complete."""
        self._chunk_count = 0
        self._begun = 0
        """Requests begun so far."""
        self._is_in_headers = True
        self._is_between = True
        """The parser has no request in hand."""
        self._is_closing = False
        """Read no more; close when everything owed is sent."""
        self._is_draining = False
        """The next answer says that the connection closes."""
        self.lost = asyncio.Event()
        """Set when the connection is gone."""

    @property
    def is_idle(self) -> bool:
        """Nothing is owed to this client."""
        return not self._exchanges

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; called by the loop."""
        self._transport = transport  # type: ignore[assignment]  # a stream transport, by construction
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Abandon what is not answered; called by the loop."""
        del exc
        self._connections.discard(self)
        self.lost.set()
        self._transport = None
        for exchange in self._exchanges:
            if exchange.on_abandon is not None:
                exchange.on_abandon()
        self._exchanges.clear()

    def data_received(self, data: bytes) -> None:
        """Parse; called by the loop."""
        if self._is_closing:
            return
        if self._is_between:
            exchange = self._heads.recall(data, self.flush)
            if exchange is not None:
                self._take(exchange)
                return
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Parse in full, and remember the head if this was one whole request."""
        begun, was_between = self._begun, self._is_between
        try:
            self._parser.feed_data(data)
            if self._is_in_headers:
                # The parser shows a header only when it is whole; an endless one must not fill its memory.
                self._unfinished_bytes = self._unfinished_bytes + len(data) if begun == self._begun else 0
                self._check_header(self._unfinished_bytes)
        except self._parse_error as error:
            cause = error.__context__
            if isinstance(cause, _RefusedError):
                self._refuse(cause.status, cause.message)
            else:
                self._refuse(400, f"malformed HTTP request: {error}")
        except _RefusedError as error:
            self._refuse(error.status, error.message)
        if was_between and self._is_between and self._begun == begun + 1:
            self._heads.learn(data, self._current)

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read its answers; called by the loop."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on; called by the loop."""
        if self._transport is not None:
            self._transport.resume_reading()

    # httptools callbacks

    def on_message_begin(self) -> None:
        """Start a request."""
        self._current = Exchange(self.flush)
        self._current.headers = self._headers = {}
        self._chunks = []
        self._body_bytes = self._header_bytes = self._chunk_count = 0
        self._begun += 1
        self._is_in_headers = True
        self._is_between = False

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        self._current.url += url
        self._count_header(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        headers = self._headers
        key = name.lower()
        headers[key] = headers[key] + b", " + value if key in headers else value
        self._count_header(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """Refuse what is announced to be too large before any of it is read."""
        self._is_in_headers = False
        current = self._current
        current.method = self._parser.get_method()
        current.keep_alive = self._parser.should_keep_alive()
        length = current.headers.get(b"content-length")
        if length is not None:
            self._check_body(int(length))
        if current.headers.get(b"expect", b"").lower() == b"100-continue" and self._transport is not None:
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._body_bytes += len(body)
        self._check_body(self._body_bytes)
        self._chunks.append(body)

    def on_chunk_header(self) -> None:
        """Count the chunks of a chunked body."""
        self._chunk_count += 1
        if self._chunk_count > self._limits.chunks + 1:  # the last chunk is empty
            raise _RefusedError(
                400,
                f"Chunked request body exceeds maximum of {self._limits.chunks} non-empty chunks. "
                "Send fewer or larger HTTP chunks.",
            )

    def on_message_complete(self) -> None:
        """Hand the request over."""
        self._is_between = True
        current = self._current
        chunks = self._chunks
        current.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._take(current)

    def _take(self, exchange: Exchange) -> None:
        """Hand a whole request over, unless the answer to the one before it says that the connection closes."""
        if self._is_closing:
            return
        if self._is_draining:
            exchange.keep_alive = False
        self._exchanges.append(exchange)
        self._is_closing = not exchange.keep_alive
        self._dispatch(exchange)

    # answers

    def flush(self) -> None:
        """Write every answer whose turn has come, in one call."""
        exchanges, transport = self._exchanges, self._transport
        ready: list[bytes] = []
        while exchanges:
            first = exchanges[0]
            if piece := first.take():
                ready.append(piece)
            if not first.is_finished:
                break
            exchanges.popleft()
        if transport is None or not ready:
            return
        transport.write(ready[0] if len(ready) == 1 else b"".join(ready))
        if self._is_closing and not exchanges:
            transport.close()

    def drain(self) -> None:
        """Let the next answer be the last, and say so in it: a client that knows sends nothing that would be lost."""
        self._is_draining = True
        if self._exchanges:
            self._exchanges[-1].keep_alive = False
            self._is_closing = True

    def finish(self) -> None:
        """Read no more requests; close as soon as nothing is owed."""
        self.drain()
        self._is_closing = True
        if not self._exchanges and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, whatever is owed."""
        if self._transport is not None:
            self._transport.abort()

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        self._check_header(self._header_bytes)

    def _check_header(self, size: int) -> None:
        if size > self._limits.header_bytes:
            raise _RefusedError(431, f"request headers exceed the maximum of {self._limits.header_bytes} bytes")

    def _check_body(self, size: int) -> None:
        if size > self._limits.body_bytes:
            raise _RefusedError(
                400,
                f"request JSON size of {size} bytes exceeds the maximum allowed input size of "
                f"{self._limits.body_bytes} bytes. Use --http-max-input-size to increase the limit.",
            )

    def _refuse(self, status: int, message: str) -> None:
        """Answer a request that could not be read to its end, after those before it, and close."""
        self._is_closing = True
        exchange = Exchange(self.flush)
        exchange.keep_alive = False
        self._exchanges.append(exchange)
        exchange.fail(status, message)


class _RefusedError(Exception):
    """Raised inside a parser callback to stop reading; carries the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
