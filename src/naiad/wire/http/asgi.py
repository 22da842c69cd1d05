"""The v2 door as an ASGI 3 application, for servers that own the sockets themselves: the same requests and answers.

Whatever `http1/` refuses of a request's head and length is refused here as well. How long a client may take, and how
many connections there are, is the business of whoever owns the sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any
from urllib.parse import quote

from naiad.core.clock import monotonic
from naiad.protocol.limits import Limits
from naiad.serving.worker import JOINED_BYTES
from naiad.wire.http.exchange import RETRY_AFTER, Exchange, Headers
from naiad.wire.http.http1.bodies import most_body_bytes, too_large
from naiad.wire.http.http1.capacity import Capacity
from naiad.wire.http.http1.line import RequestLine
from naiad.wire.http.http1.parts import Refusal
from naiad.wire.http.origins import Origins
from naiad.wire.running import Running
from naiad.wire.waiting import REQUEST_BYTES, Account

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class AsgiExchange(Exchange):
    """One request and its answer, as the messages that ASGI has for them."""

    is_gone = False
    """Nobody waits for the answer any more."""
    is_cut = False
    """The answer will not be whole."""

    def __init__(self, most_unsent_bytes: int) -> None:
        """most_unsent_bytes: of a stream, for a client that does not read it."""
        super().__init__(lambda: None)
        self.more = asyncio.Event()
        """Set when there is something to send, or nobody to send it to."""
        self._messages: list[Message] = []
        self._unsent_bytes = 0
        self._most_unsent_bytes = most_unsent_bytes

    def take(self) -> Sequence[Message]:
        """Take what there is to send."""
        self.more.clear()
        messages, self._messages = self._messages, []
        self._unsent_bytes = 0
        return messages

    def leave(self) -> None:
        """Note that the client is gone, and withdraw what it has asked for."""
        self.is_gone = True
        if self.on_abandon is not None:
            self.on_abandon()
        self.more.set()

    def answer(
        self,
        status: int,
        body: bytes = b"",
        content_type: bytes = b"",
        headers: bytes = b"",
        tail: tuple[bytes | memoryview, ...] = (),
    ) -> None:
        """See `Exchange`."""
        if self.is_finished:
            return
        self.is_finished = True
        self.on_abandon = None
        length = len(body) + sum(map(len, tail))
        self._begin(status, content_type, headers + b"Content-Length: %d\r\n" % length)
        pieces = () if self.method == b"HEAD" else tail
        self._add(b"" if self.method == b"HEAD" else body, has_more=bool(pieces))
        for place, piece in enumerate(pieces, 1):
            self._add(bytes(piece), has_more=place < len(pieces))

    def answer_json(self, body: bytes) -> None:
        """See `Exchange`."""
        self.answer(200, body, b"application/json")

    def begin_stream(self, status: int, content_type: bytes) -> None:
        """See `Exchange`."""
        self.is_streaming = True
        self._begin(status, content_type, b"")

    def begin_relay(self, status: int, lines: bytes, *, is_chunked: bool) -> None:
        """See `Exchange`."""
        self.is_streaming, self.is_chunked = True, is_chunked
        self._start(status, lines)

    def end_with(self, data: bytes) -> None:
        """See `Exchange`."""
        self._end(data)

    def cut(self) -> None:
        """See `Exchange`."""
        if not self.is_finished:
            self.is_cut = self.is_finished = True
            self.more.set()

    def push(self, data: bytes) -> None:
        """See `Exchange`; a client that has too much to read is given up."""
        if self.is_finished or self.is_gone:
            return
        self._add(data, has_more=True)
        self._unsent_bytes += len(data)
        if self._unsent_bytes > self._most_unsent_bytes:
            self.leave()

    def end_stream(self) -> None:
        """See `Exchange`."""
        self._end(b"")

    def _end(self, data: bytes) -> None:
        if not self.is_finished:
            self.is_finished = True
            self.on_abandon = self.on_writable = None
            self._add(data, has_more=False)

    def _begin(self, status: int, content_type: bytes, lines: bytes) -> None:
        lines += self.answer_lines + RETRY_AFTER.get(status, b"")
        if self.late_lines is not None:
            lines += self.late_lines()
        kind = b"Content-Type: %b\r\n" % content_type if content_type else b""
        self._start(status, kind + lines)

    def _start(self, status: int, lines: bytes) -> None:
        pairs = [line.split(b":", 1) for line in lines.split(b"\r\n") if line]
        headers = [(name.lower(), value.strip()) for name, value in pairs]
        self._messages.append({"type": "http.response.start", "status": status, "headers": headers})

    def _add(self, data: bytes, *, has_more: bool) -> None:
        self._messages.append({"type": "http.response.body", "body": data, "more_body": has_more})
        self.more.set()


class AsgiDoor:
    """The application. It is called on the event loop of its server."""

    def __init__(
        self, dispatch: Callable[[Exchange], None], limits: Limits, capacity: Capacity, origins: Origins
    ) -> None:
        """dispatch: takes every request."""
        self._dispatch = dispatch
        self._limits = limits
        self._capacity = capacity
        self._origins = origins
        self.running = Running()
        """Requests that are not answered to the end."""

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request. Web sockets are closed; starting and stopping is the server's own business."""
        if scope["type"] == "http":
            with self.running:
                await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": message["type"] + ".complete"})
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _serve(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        exchange = AsgiExchange(self._limits.unsent_bytes)
        account = exchange.account = Account(self._capacity.waiting)
        line = RequestLine(self._dispatch, self._limits, self._capacity.worker)
        try:
            try:
                self._read_head(scope, exchange)
                await self._read_body(receive, exchange, account)
            except Refusal as refusal:
                exchange.fail(refusal.status, refusal.message)
            else:
                if exchange.is_gone:
                    return
                line.exchanges.append(exchange)
                line.advance(exchange, may_pass=True)
            await _send_answer(exchange, receive, send)
        finally:
            line.abandon()
            account.close()

    def _read_head(self, scope: Mapping[str, Any], exchange: AsgiExchange) -> None:
        """Take method, target and headers. Raises Refusal."""
        limits = self._limits
        exchange.begun_s = monotonic()
        exchange.method = scope["method"].encode()
        exchange.url = target_of(scope)
        if len(exchange.url) > limits.target_bytes:
            raise Refusal(414, f"the request target exceeds the maximum of {limits.target_bytes} bytes")
        exchange.headers = headers = Headers()
        size = len(exchange.url)
        for count, (name, value) in enumerate(scope["headers"], 1):
            size += len(name) + len(value)
            if count > limits.headers:
                raise Refusal(431, f"the request has more than the maximum of {limits.headers} headers")
            key = name.lower()
            headers[key] = headers[key] + b", " + value if key in headers else value
        if size > limits.header_bytes:
            raise Refusal(431, f"request headers exceed the maximum of {limits.header_bytes} bytes")
        if (b"origin" in headers or b"sec-fetch-site" in headers) and self._origins.judges(exchange.url):
            if reason := self._origins.refusal(headers):
                raise Refusal(403, reason)
            exchange.answer_lines = self._origins.answer_lines(headers)

    async def _read_body(self, receive: Receive, exchange: AsgiExchange, account: Account) -> None:
        """Take the body, or note that the client is gone. Raises Refusal as soon as it is known to be too long."""
        limits, headers = self._limits, exchange.headers
        most_bytes = most_body_bytes(headers, limits)
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > most_bytes:
            raise too_large(int(length), most_bytes, headers, limits)
        pieces: list[bytes] = []
        account.take(REQUEST_BYTES)
        has_more = True
        while has_more:
            message = await receive()
            if message["type"] != "http.request":
                exchange.is_gone = True
                return
            piece, has_more = message.get("body", b""), message.get("more_body", False)
            if not piece:
                continue
            pieces.append(piece)
            exchange.body_bytes += len(piece)
            account.take(len(piece))
            if exchange.body_bytes > most_bytes:
                raise too_large(exchange.body_bytes, most_bytes, headers, limits)
            if account.is_over:
                raise Refusal(503, account.reason)
        exchange.counted_bytes = account.bytes
        if exchange.body_bytes > JOINED_BYTES:
            exchange.pieces = pieces
        else:
            exchange.body = b"".join(pieces)


def target_of(scope: Mapping[str, Any]) -> bytes:
    """Return path and query as they were sent, without the path below which the application is mounted."""
    path: bytes = scope.get("raw_path") or quote(scope["path"], safe="/:@!$&'()*+,;=~").encode()
    root: bytes = quote(scope.get("root_path", "").rstrip("/")).encode()
    if root and path.startswith(root) and path[len(root) :][:1] in (b"", b"/"):
        path = path[len(root) :]
    query: bytes = scope.get("query_string", b"")
    return path + b"?" + query if query else path


async def _send_answer(exchange: AsgiExchange, receive: Receive, send: Send) -> None:
    """Send the answer as it comes, until it is whole or the client is gone."""
    watch = None if exchange.is_finished else asyncio.ensure_future(_notice_leaving(exchange, receive))
    try:
        while True:
            await exchange.more.wait()
            if exchange.is_gone:
                return
            for message in exchange.take():
                await send(message)
                if message.get("more_body") is False:
                    return
            if exchange.is_cut:
                raise ConnectionAbortedError("the answer cannot be sent to its end")
            if exchange.on_writable is not None:
                exchange.on_writable()
    finally:
        if watch is not None:
            watch.cancel()


async def _notice_leaving(exchange: AsgiExchange, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    exchange.leave()
