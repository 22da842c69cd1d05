"""URLs of a web application: requests go to it whole, and its responses come back part by part, as it gives them.

What is hop by hop stays with this server (RFC 9110, 7.6.1): the application says what is sent, and not how.
"""

from __future__ import annotations

from naiad.core.errors import NaiadError, NotFound, NotReady
from naiad.core.message import Answer, InferRequest
from naiad.core.user_code.application import Address, Part, WebRequest
from naiad.protocol.status import http_status
from naiad.serving.engine import Engine
from naiad.wire.http.answering import submit
from naiad.wire.http.exchange import Exchange

_HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect")
)

_NO_BODY = (204, 304)

_WEBSOCKET = (
    "WebSockets are not served here: this server answers the application's HTTP requests. Use server-sent events, or "
    "serve its WebSockets by another server."
)


class ApplicationHandler:
    """Takes every request that is none of the server's own."""

    def __init__(self, engine: Engine, name: str, *, trusts_proxy: bool = False) -> None:
        """name: the model as which the application is served. trusts_proxy: believe X-Forwarded-For and its kin."""
        self._engine = engine
        self._name = name
        self._trusts_proxy = trusts_proxy

    def __call__(self, exchange: Exchange) -> None:
        """Handle one request."""
        if b"sec-websocket-key" in exchange.headers:
            exchange.fail(501, _WEBSOCKET)
            return
        try:
            served = self._engine.route(self._name)
        except NotFound:
            exchange.fail(503, f"the application '{self._name}' is not there: it is being loaded, or could not be")
            return
        except NotReady as error:
            exchange.fail(503, error.message)
            return
        web = _web_request(exchange)
        if self._trusts_proxy:
            believe_proxy(web)
        exchange.body = b""
        relay = Relay(exchange, web)
        web.on_part = relay.take
        submit(self._engine, exchange, served, InferRequest(self._name, work=web), relay.end)


def _web_request(exchange: Exchange) -> WebRequest:
    transport = None if exchange.account is None else exchange.account.transport
    info = (lambda _: None) if transport is None else transport.get_extra_info
    return WebRequest(
        exchange.method.decode("latin-1"),
        exchange.url.decode("latin-1"),
        [(name.decode("latin-1"), value.decode("latin-1")) for name, value in _end_to_end(exchange)],
        exchange.body,
        "http" if info("ssl_object") is None else "https",
        _address(info("peername")),
        _address(info("sockname")),
        exchange.is_old,
    )


def _end_to_end(exchange: Exchange) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in exchange.headers.items() if name.decode("latin-1") not in _HOP_BY_HOP]


def _address(found: object) -> Address | None:
    return (str(found[0]), int(found[1])) if isinstance(found, tuple) and len(found) >= 2 else None


def believe_proxy(web: WebRequest) -> None:
    """Take scheme, host and client from what the last proxy says in X-Forwarded-Proto, -Host and -For."""
    said = {name: value.rpartition(",")[2].strip() for name, value in web.headers if name.startswith("x-forwarded-")}
    if said.get("x-forwarded-proto") in ("http", "https"):
        web.scheme = said["x-forwarded-proto"]
    if host := said.get("x-forwarded-host"):
        web.headers = [(name, host if name == "host" else value) for name, value in web.headers]
    if client := said.get("x-forwarded-for"):
        web.client = (client.strip("[]"), 0)


class Relay:
    """The response to one request, on its way from the application to the client."""

    def __init__(self, exchange: Exchange, web: WebRequest) -> None:
        self._exchange = exchange
        self._web = web
        self._unsent = 0
        """Bytes that were pushed and have not left yet."""
        self._left: int | None = None
        """Bytes that are still to come, where the application has said how many."""
        self._held: list[bytes] | None = None
        """Parts that are collected, because the client must be told their length first."""
        self._head: Part | None = None

    def take(self, part: Part) -> None:
        """Pass on a part."""
        if part.status:
            self._begin(part)
        elif self._held is not None:
            self._hold(part)
        else:
            self._push(part.body, is_last=part.is_last)

    def end(self, answer: Answer, is_final: bool) -> None:
        """Hear that it is over: all parts have come, or an error instead."""
        del is_final
        exchange = self._exchange
        if not isinstance(answer, NaiadError) or exchange.is_finished:
            return
        if exchange.is_streaming:
            exchange.cut()
        else:
            exchange.fail(http_status(answer), answer.message)

    def _begin(self, part: Part) -> None:
        lengths = [value for name, value in part.headers if name.lower() == "content-length"]
        if lengths and not lengths[0].isdigit():
            self._exchange.fail(500, f"the application gave a Content-Length that is no number: {lengths[0][:40]!r}")
            return
        has_body = self._exchange.method != b"HEAD" and part.status not in _NO_BODY
        if not has_body or lengths or part.is_last:
            length = int(lengths[0]) if lengths else len(part.body)
            self._send_head(part, length if has_body or lengths else None, is_chunked=False)
            self._left = length if has_body else 0
            self._push(part.body if has_body else b"", is_last=part.is_last)
        elif self._exchange.is_old:
            self._head, self._held = part, []
            self._hold(part)
        else:
            self._send_head(part, None, is_chunked=True)
            self._push(part.body, is_last=False)

    def _send_head(self, part: Part, length: int | None, *, is_chunked: bool) -> None:
        lines = [
            f"{name}: {value}\r\n"
            for name, value in part.headers
            if name.lower() not in _HOP_BY_HOP and name.lower() != "content-length"
        ]
        if length is not None and part.status != 204:
            lines.append(f"Content-Length: {length}\r\n")
        self._exchange.begin_relay(part.status, "".join(lines).encode("latin-1", "replace"), is_chunked=is_chunked)

    def _push(self, body: bytes, *, is_last: bool) -> None:
        exchange = self._exchange
        if exchange.is_finished:
            return
        if self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (is_last and self._left):
                exchange.cut()  # more or less than was announced: the connection cannot be used any further
                return
            is_last = is_last or not self._left  # whatever becomes of the application now, the response is whole
        if not is_last:
            self._unsent += len(body)
            exchange.on_writable = self._acknowledge
            exchange.push(body)
        elif exchange.is_chunked:
            if body:
                exchange.push(body)
            exchange.end_stream()
        else:
            exchange.end_with(body)

    def _acknowledge(self) -> None:
        """Let the application go on: everything that was pushed has left."""
        size, self._unsent = self._unsent, 0
        if size:
            self._web.taken(size)

    def _hold(self, part: Part) -> None:
        """Collect a response for a client of HTTP/1.0, which takes no chunks."""
        assert self._held is not None
        assert self._head is not None
        self._held.append(part.body)
        self._web.taken(len(part.body))
        if part.is_last:
            whole = Part(b"".join(self._held), True, self._head.status, self._head.headers)
            self._held = None
            self._begin(whole)
