"""One request and the place for its answer; what passes between a connection and a handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus

import orjson

_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
_JSON = b"application/json"


class Exchange:
    """One request and the place for its answer."""

    __slots__ = (
        "_answer",
        "_on_answer",
        "body",
        "headers",
        "is_abandoned",
        "keep_alive",
        "method",
        "on_abandon",
        "url",
    )

    def __init__(self, on_answer: Callable[[], None]) -> None:
        """on_answer: called once, when there is an answer."""
        self._on_answer = on_answer
        self._answer: bytes | None = None
        self.method = b""
        self.url = b""
        """As sent: path and query, not decoded."""
        self.headers: Mapping[bytes, bytes] = {}
        """Names in lower case; a repeated header's values are joined with a comma. Shared by requests: read only."""
        self.body = b""
        self.keep_alive = True
        self.is_abandoned = False
        """The client has gone; nobody will read an answer."""
        self.on_abandon: Callable[[], object] | None = None
        """Set by the handler; called when the client goes before it is answered."""

    def answer(self, status: int, body: bytes = b"", content_type: bytes = b"", headers: bytes = b"") -> None:
        """Send the answer; further calls are ignored. headers: whole lines, each ending in CRLF."""
        if self._answer is not None:
            return
        self.on_abandon = None
        if status == 200 and content_type == _JSON and not headers and self.keep_alive:  # nearly every answer
            self._answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
                len(body),
                body,
            )
            self._on_answer()
            return
        kind = b"Content-Type: %b\r\n" % content_type if content_type else b""
        close = b"" if self.keep_alive else b"Connection: close\r\n"
        self._answer = b"HTTP/1.1 %d %b\r\n%b%b%bContent-Length: %d\r\n\r\n%b" % (
            status,
            _REASONS.get(status, b"Unknown"),
            kind,
            headers,
            close,
            len(body),
            body,
        )
        self._on_answer()

    def fail(self, status: int, message: str, headers: bytes = b"") -> None:
        """Answer with the v2 error object."""
        self.answer(status, orjson.dumps({"error": message}), b"application/json", headers)

    @property
    def finished(self) -> bytes | None:
        """The whole answer as bytes, once there is one."""
        return self._answer
