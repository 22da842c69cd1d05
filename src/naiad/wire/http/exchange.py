"""One request and the place for its answer; what passes between a connection and a handler."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import orjson

from naiad.core.errors import Exhausted, NaiadError
from naiad.protocol.status import http_status
from naiad.wire.waiting import Account

_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
_JSON = b"application/json"
_JOINED_BYTES = 64 * 1024
"""Bodies up to here are joined with their heads, which costs less than handing over two pieces."""
RETRY_AFTER = {429: b"Retry-After: 1\r\n", 503: b"Retry-After: 1\r\n"}
"""By status that says that it will be better later: when to ask again, in seconds."""


class Headers(dict[bytes, bytes]):
    """Headers by their names in lower case, and how those names were written."""

    written: dict[bytes, bytes] | None = None
    """Name in lower case → as it was sent, of those that were sent otherwise; None if there are none."""

    def note_written(self, key: bytes, name: bytes) -> None:
        """Keep how a name was sent; key: the same in lower case."""
        if self.written is None:
            self.written = {}
        self.written[key] = name


class Exchange:
    """One request and the place for its answer, which is given whole or as a stream of chunks."""

    # Defaults stand on the class: most of them never change, and one of these is made for every request.
    method = b""
    url = b""
    """As sent: path and query, not decoded."""
    headers: Mapping[bytes, bytes] = MappingProxyType({})
    """Names in lower case; a repeated header's values are joined with a comma. Shared by requests: read only."""
    body = b""
    """Let go of by the handler that has decoded it: it may be large, and the answer may take its time."""
    body_bytes = 0
    """Length of the body, where it was parsed; 0 where it came whole behind a known head, in one piece."""
    pieces: Sequence[bytes | bytearray] = ()
    """Of a body that takes long to put together, until that is done."""
    keep_alive = True
    answer_lines = b""
    """Header lines that every answer has, for the page that asked."""
    late_lines: Callable[[], bytes] | None = None
    """Makes header lines of the answer when that is there; set by the handler."""
    says_keep_alive = False
    """The connection stays open after an HTTP/1.0 request, whose client must be told so."""
    is_finished = False
    """The answer is complete, though it may not have been sent yet."""
    is_streaming = False
    """The answer has begun as a stream."""
    on_abandon: Callable[[], object] | None = None
    """Set by the handler; called when the client goes before it is answered."""
    tail: tuple[bytes | memoryview, ...] = ()
    """What follows the answer's body, taken once with it; not joined, because it is large."""
    document: Any = None
    """What a long body was parsed to, or the error, if that was done beside the loop."""
    account: Account | None = None
    """To which the request is counted, with `counted_bytes`, until its answer is on its way."""
    counted_bytes = 0
    begun_s = 0.0
    """When its first byte came, where it came in pieces; by the clock of `naiad.core.clock`. For traces."""
    is_old = False
    """HTTP/1.0 or older: its client takes no chunks."""
    is_chunked = True
    """What streams goes out in chunks; else as its head says."""
    on_writable: Callable[[], object] | None = None
    """Set by the handler of a stream; called when what was pushed has left and the client keeps up, perhaps at once."""
    _pending = b""

    def __init__(self, on_answer: Callable[[], None]) -> None:
        """on_answer: called whenever there is more to send."""
        self._on_answer = on_answer

    def count(self, size: int) -> None:
        """Count more bytes to what waits. Raises Exhausted."""
        account = self.account
        if account is not None:
            self.counted_bytes += size
            account.take(size)
            if account.is_over:
                raise Exhausted(account.reason)

    def answer(
        self,
        status: int,
        body: bytes = b"",
        content_type: bytes = b"",
        headers: bytes = b"",
        tail: tuple[bytes | memoryview, ...] = (),
    ) -> None:
        """Give the whole answer; further calls are ignored.

        headers: whole lines, each ending in CRLF. tail: the rest of a large body, which is not copied.
        """
        if self.is_finished:
            return
        self.is_finished = True
        self.on_abandon = None
        if len(body) > _JOINED_BYTES:
            body, tail = b"", (body, *tail)
        headers += b"Content-Length: %d\r\n" % (len(body) + sum(map(len, tail)))
        self._pending = self._head(status, content_type, headers)
        if self.method != b"HEAD":  # RFC 9110, 9.3.2: its answer has the length but not the body
            self._pending += body
            self.tail = tail
        self._on_answer()

    def answer_json(self, body: bytes) -> None:
        """Give the whole answer, 200 with JSON; as `answer`, but quicker where it is as nearly every answer."""
        length = len(body)
        if (
            self.is_finished
            or not self.keep_alive
            or self.says_keep_alive
            or self.answer_lines
            or self.late_lines is not None
            or length > _JOINED_BYTES
        ):
            self.answer(200, body, _JSON)
            return
        self.is_finished = True
        self.on_abandon = None
        self._pending = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
            length,
            body,
        )
        self._on_answer()

    def fail(self, status: int, message: str, headers: bytes = b"") -> None:
        """Answer with the v2 error object."""
        self.answer(status, orjson.dumps({"error": message}), b"application/json", headers)

    def note(self, error: NaiadError | None) -> None:
        """Hear with what the answer, or the last one of a stream so far, failed; None: with nothing.

        Not kept here: an error knows the frames that it came through, and they know this.
        """

    def refuse(self, error: NaiadError, headers: bytes = b"") -> None:
        """Answer with an error of ours, as v2 does."""
        self.note(error)
        self.fail(http_status(error), error.message, headers)

    @property
    def is_between_chunks(self) -> bool:
        """The answer is a stream of which all that there is has been sent."""
        return self.is_streaming and self.is_chunked and not self._pending

    def begin_stream(self, status: int, content_type: bytes) -> None:
        """Begin an answer whose length is not known yet; it goes out in chunks."""
        self.is_streaming = True
        self._pending += self._head(status, content_type, b"Transfer-Encoding: chunked\r\n")

    def begin_relay(self, status: int, lines: bytes, *, is_chunked: bool) -> None:
        """Begin an answer whose header lines are those of another program, each ending in CRLF; as `begin_stream`.

        is_chunked: the lines say nothing of its length.
        """
        self.is_streaming, self.is_chunked = True, is_chunked
        connection = b"" if self.keep_alive else b"Connection: close\r\n"
        if self.says_keep_alive and self.keep_alive:
            connection = b"Connection: keep-alive\r\n"
        chunked = b"Transfer-Encoding: chunked\r\n" if is_chunked else b""
        reason = _REASONS.get(status, b"Unknown")
        self._pending += b"HTTP/1.1 %d %b\r\n%b%b%b\r\n" % (status, reason, connection, lines, chunked)

    def push(self, data: bytes) -> None:
        """Send one more chunk of a stream; ignored once it has ended."""
        if not self.is_finished:
            if self.is_chunked and data:  # an empty chunk would be the end
                self._pending += b"%x\r\n%b\r\n" % (len(data), data)
            else:
                self._pending += data
            self._on_answer()

    def end_with(self, data: bytes) -> None:
        """Send the last piece of a stream that is not in chunks, and end it; a large one is not copied."""
        if not self.is_finished:
            if len(data) > _JOINED_BYTES:
                self.tail = (data,)
            else:
                self._pending += data
            self.end_stream()

    def cut(self) -> None:
        """Close the connection in the middle of a stream: no end is sent, so that nobody takes it for whole."""
        if not self.is_finished:
            self.is_chunked = self.keep_alive = False
            self.end_stream()
            if self.account is not None and self.account.transport is not None:
                self.account.transport.close()

    def end_stream(self) -> None:
        """End a stream; further calls are ignored."""
        if not self.is_finished:
            self.is_finished = True
            self.on_abandon = None
            self.on_writable = None
            if self.is_chunked:
                self._pending += b"0\r\n\r\n"
            self._on_answer()

    def _head(self, status: int, content_type: bytes, headers: bytes) -> bytes:
        kind = b"Content-Type: %b\r\n" % content_type if content_type else b""
        connection = b"" if self.keep_alive else b"Connection: close\r\n"
        if self.says_keep_alive and self.keep_alive:
            connection = b"Connection: keep-alive\r\n"
        reason = _REASONS.get(status, b"Unknown")
        headers += RETRY_AFTER.get(status, b"")
        if self.late_lines is not None:
            headers += self.late_lines()
        return b"HTTP/1.1 %d %b\r\n%b%b%b%b\r\n" % (status, reason, kind, connection, self.answer_lines, headers)


def take_ready(exchanges: deque[Exchange]) -> list[bytes | memoryview]:
    """Take what can be sent now, in order, and take away those that are answered to the end."""
    ready: list[bytes | memoryview] = []
    while exchanges:
        first = exchanges[0]
        if first._pending:
            ready.append(first._pending)
            first._pending = b""
        if first.tail:
            ready += first.tail
            first.tail = ()
        if not first.is_finished:
            break
        exchanges.popleft()
        if first.counted_bytes and first.account is not None:
            first.account.take(-first.counted_bytes)
    return ready
