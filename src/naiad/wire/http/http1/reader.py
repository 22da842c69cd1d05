"""Bytes of one HTTP/1.1 connection → whole requests, within the limits.

Parsing is llhttp's (through httptools); here are its callbacks. What cannot be read ends in one Refusal, and nothing is
read after it. Answers are the business of `connection.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from naiad.core.clock import monotonic
from naiad.protocol.limits import Limits
from naiad.serving.worker import JOINED_BYTES
from naiad.wire.http.exchange import Exchange, Headers
from naiad.wire.http.http1.bodies import most_body_bytes, too_large
from naiad.wire.http.http1.chunks import Chunks, unfinished_line
from naiad.wire.http.http1.parts import Part, Refusal
from naiad.wire.http.origins import Origins
from naiad.wire.waiting import Account

_SMALL_BYTES = 1024
"""Pieces below it are gathered: an object for each of a million pieces would weigh more than what they hold."""

_VERSIONS = ("1.1", "1.0", "0.9")
"""The last is a request line without a version."""

_CHUNKED_BYTES = 64 * 1024
"""Of a body in chunks, read at a time."""

_OF_UPGRADES = (b"upgrade", b"connection", b"http2-settings")


_NO_REQUEST = Exchange(lambda: None)
"""Stands where there is no request in hand; nothing is written to it."""


class RequestReader:
    """The reading side of one connection."""

    def __init__(
        self,
        limits: Limits,
        account: Account,
        origins: Origins,
        on_answer: Callable[[], None],
        on_request: Callable[[Exchange], None],
        on_continue: Callable[[], None],
    ) -> None:
        """account: the connection's, to which unfinished bodies are counted.

        on_answer: of the exchanges made. on_request: takes each. on_continue: a client waits for leave to go on.
        """
        import httptools

        self._limits = limits
        self._account = account
        self._origins = origins
        self._on_answer = on_answer
        self._on_request = on_request
        self._on_continue = on_continue
        self._make_parser = httptools.HttpRequestParser
        self._error = httptools.HttpParserError
        self._upgrade = httptools.HttpParserUpgrade
        self._parser: Any = self._make_parser(self)
        self.current = _NO_REQUEST
        """The request in hand, or the last one until `forget`."""
        self._headers = Headers()
        self._header_count = 0
        self._header_bytes = 0
        self._unfinished_bytes = 0
        """Received while the headers of the current request were not complete."""
        self._pieces: list[bytes | bytearray] = []
        self._chunks: Chunks | None = None
        """Of the current body, if it comes in chunks."""
        self._most_bytes = 0
        """The most bytes that the current body may have."""
        self._missing_bytes = 0
        """Bytes of a body that the parser has not seen yet."""
        self.body_bytes = 0
        """Received of the current body."""
        self.begun = 0
        """Requests begun so far."""
        self.part = Part.BETWEEN

    @property
    def rest_bytes(self) -> int:
        """What is missing of the body in hand; of one in chunks, a guess."""
        length = self.current.headers.get(b"content-length")
        if self._missing_bytes or self._chunks is not None or length is None:
            return self._missing_bytes or _CHUNKED_BYTES
        return max(1, int(length) - self.body_bytes)

    def begin(self, exchange: Exchange, missing_bytes: int) -> None:
        """Go on with a request whose head is known; its body is what has come of it. Raises Refusal."""
        piece = exchange.body
        self.current = exchange
        exchange.begun_s = monotonic()
        self._missing_bytes = self._most_bytes = missing_bytes + len(piece)
        self.part = Part.BODY
        self.begun += 1
        if piece:
            self._gather(piece)

    def _gather(self, data: bytes) -> bytes:
        """Take what is missing of the body; returns what follows it."""
        piece, rest = data[: self._missing_bytes], data[self._missing_bytes :]
        self._missing_bytes -= len(piece)
        self.on_body(piece)
        if not self._missing_bytes:
            self.on_message_complete()
        return rest

    def feed(self, data: bytes) -> None:
        """Take bytes. Raises Refusal."""
        rest = self._gather(data) if self._missing_bytes else data
        begun, body_bytes = self.begun, self.body_bytes
        while rest:
            rest = self._feed(rest)
        is_new = begun != self.begun
        if self.part is Part.HEAD:
            # The parser shows a header only when it is whole; an endless one must not fill its memory.
            self._unfinished_bytes = unfinished_line(data) if is_new else self._unfinished_bytes + len(data)
            self._check_header(self._unfinished_bytes)
        elif self.part is Part.BODY and (chunks := self._chunks) is not None:
            # The same holds for a trailer, and for the extensions of chunks.
            framing = None if is_new else len(data) - (self.body_bytes - body_bytes)
            chunks.count_framing(data, framing, self.body_bytes)
            self._check_header(chunks.framing_bytes)
            self._check_body(chunks.announced(data, self.body_bytes))

    def forget(self) -> None:
        """Let go of the request in hand, and of what was gathered of its body."""
        self._drop_body()
        self.current = _NO_REQUEST

    def close(self) -> None:
        """Read no more, and refer to the connection no more, or both would stay until garbage is collected."""
        self.forget()
        self._parser = None
        self._on_answer = self._on_request = self._on_continue = _ignore

    def _drop_body(self) -> None:
        self._account.take(-self.body_bytes)
        self.body_bytes = 0
        self._pieces = []

    def _feed(self, data: bytes) -> bytes:
        """Parse; returns what is still to be parsed."""
        try:
            self._parser.feed_data(data)
        except self._upgrade as upgrade:
            return self._head_without_upgrade() + data[upgrade.args[0] :] if self.part is Part.UPGRADE else b""
        except self._error as error:
            raise _refusal(error) from None
        return b""

    def _head_without_upgrade(self) -> bytes:
        """Begin again with a request that asked for another protocol, which is ignored (RFC 9110, section 7.8).

        The parser takes what follows such a head for that protocol, even a body.
        """
        current, parser = self.current, self._parser
        self._parser = self._make_parser(self)
        version = parser.get_http_version().encode()
        connection = b"keep-alive" if current.keep_alive else b"close"
        lines = [b"%b %b HTTP/%b" % (current.method, current.url, version), b"connection: " + connection]
        lines += [name + b": " + value for name, value in self._headers.items() if name not in _OF_UPGRADES]
        return b"\r\n".join((*lines, b"", b""))

    # httptools callbacks

    def on_message_begin(self) -> None:
        """Start a request."""
        self.current = Exchange(self._on_answer)
        self.current.begun_s = monotonic()
        self.current.headers = self._headers = Headers()
        self._header_count = self._header_bytes = 0
        self.begun += 1
        self.part = Part.HEAD

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        current = self.current
        current.url += url
        if len(current.url) > self._limits.target_bytes:
            raise Refusal(414, f"the request target exceeds the maximum of {self._limits.target_bytes} bytes")
        self._count_header(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or count a field of a trailer, which is none and says nothing here (RFC 9110, 6.5.1)."""
        self._header_count += 1
        if self._header_count > self._limits.headers:
            raise Refusal(431, f"the request has more than the maximum of {self._limits.headers} headers")
        self._count_header(len(name) + len(value))
        if self.part is not Part.HEAD:
            return
        headers = self._headers
        key = name.lower()
        if key != name:
            headers.note_written(key, name)
        headers[key] = headers[key] + b", " + value if key in headers else value

    def on_headers_complete(self) -> None:
        """Refuse what may not come, or is announced to be too large, before any of its body is read."""
        self.part = Part.BODY
        current, version = self.current, self._parser.get_http_version()
        if version not in _VERSIONS:
            raise Refusal(505, f"HTTP/{version} is not spoken on this port; use HTTP/1.1")
        current.method = self._parser.get_method()
        current.keep_alive = self._parser.should_keep_alive() and current.method != b"CONNECT"
        current.is_old = version != "1.1"
        if current.keep_alive and version == "1.0":
            current.says_keep_alive = True  # RFC 9112, C.2.2
        if self._parser.should_upgrade() and current.method != b"CONNECT":
            self.part = Part.UPGRADE
            return
        headers = self._headers
        host = headers.get(b"host")
        if b", " in host if host is not None else version == "1.1":  # RFC 9112, 3.2
            raise Refusal(400, "the request must have one Host header, and one host in it")
        if b"origin" in headers or b"sec-fetch-site" in headers:
            self._judge_page(current)
        self._most_bytes = most_body_bytes(headers, self._limits)
        length = headers.get(b"content-length")
        if length is not None:
            self._check_body(int(length))
        if b"transfer-encoding" in headers:
            self._chunks = Chunks()
        if headers.get(b"expect", b"").lower() == b"100-continue":
            self._on_continue()

    def _judge_page(self, current: Exchange) -> None:
        if not self._origins.judges(current.url):
            return
        reason = self._origins.refusal(current.headers)
        if reason:
            raise Refusal(403, reason)
        current.answer_lines = self._origins.answer_lines(current.headers)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self.body_bytes += len(body)
        self._account.take(len(body))
        self._check_body(self.body_bytes)
        if self._account.is_over:
            raise Refusal(503, self._account.reason)
        pieces = self._pieces
        if len(body) >= _SMALL_BYTES or not pieces:
            pieces.append(body)
        elif isinstance(last := pieces[-1], bytearray):
            last += body
        else:
            pieces.append(bytearray(body))

    def on_chunk_header(self) -> None:
        """Count the chunks of a chunked body."""
        chunks = self._chunks
        assert chunks is not None, "only a body with transfer-encoding has chunks"
        chunks.begin(self.body_bytes)
        if chunks.count > self._limits.chunks + 1:  # the last chunk is empty
            raise Refusal(
                400,
                f"Chunked request body exceeds maximum of {self._limits.chunks} non-empty chunks. "
                "Send fewer or larger HTTP chunks.",
            )

    def on_chunk_complete(self) -> None:
        """Note the end of a chunk."""
        if self._chunks is not None:
            self._chunks.end()

    def on_message_complete(self) -> None:
        """Hand the request over."""
        if self.part is Part.UPGRADE:
            return
        self.part = Part.BETWEEN
        self._chunks = None
        current, pieces = self.current, self._pieces
        current.body_bytes = self.body_bytes
        if self.body_bytes > JOINED_BYTES:
            current.pieces = pieces
        else:
            current.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)  # type: ignore[assignment]  # one is bytes
        self._drop_body()
        self._on_request(current)

    # limits

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        self._check_header(self._header_bytes)

    def _check_header(self, size: int) -> None:
        if size > self._limits.header_bytes:
            what = "request headers" if self.part is Part.HEAD else "trailer and chunk extensions of the request"
            raise Refusal(431, f"{what} exceed the maximum of {self._limits.header_bytes} bytes")

    def _check_body(self, size: int) -> None:
        if size > self._most_bytes:
            raise too_large(size, self._most_bytes, self._headers, self._limits)


def _refusal(error: Exception) -> Refusal:
    """Return the refusal for what the parser has raised, by itself or because one of its callbacks refused.

    Made anew: one that a callback has raised refers to this module's frames, which would refer to it.
    """
    cause = error.__context__
    if isinstance(cause, Refusal):
        return Refusal(cause.status, cause.message)
    return Refusal(400, f"malformed HTTP request: {error}")


def _ignore(*_: object) -> None:
    """Stand where a connection was told of something."""
