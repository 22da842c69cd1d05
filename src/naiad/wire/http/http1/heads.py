"""Request heads that have been parsed before.

A client sends the same request line and headers again and again; only the body differs. So the bytes of a head are the
key to what the parser made of them, and a repeated one costs a dictionary look-up instead of a callback per header.
Only plain requests are remembered, whose end the head alone tells: everything else is always parsed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from naiad.wire.http.exchange import Exchange

_END = b"\r\n\r\n"
_MOST_HEADS = 1024
_LONGEST_HEAD_BYTES = 2048
_MOST_HEADERS = 64
"""Together at most some 20 MiB for a listener, as a header weighs ten times its bytes; past it, requests are only
parsed."""

_LONGEST_LENGTH = 15
"""Digits of a content-length; no limit is longer."""

_NEVER = (b"transfer-encoding", b"expect", b"upgrade", b"connection", b"origin", b"sec-fetch-site")
"""Headers that make a request more than a head and so many bytes, or have it judged each time."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the parser made of one head."""

    method: bytes
    url: bytes
    headers: Mapping[bytes, bytes]
    body_bytes: int


class KnownHeads:
    """The heads of one listener; its limits have let them pass, so they need no second check."""

    def __init__(self) -> None:
        self._heads: dict[bytes, Head] = {}

    def recall(self, data: bytes, on_answer: Callable[[], None]) -> tuple[Exchange, int] | None:
        """Return the request that `data` begins, if it has a known head, and how much of its body is still to come.

        None, too, for data that goes on after the request.
        """
        at = data.find(_END) + 4
        head = self._heads.get(data[:at])
        if head is None or (missing := head.body_bytes - len(data) + at) < 0:
            return None
        exchange = Exchange(on_answer)
        exchange.method = head.method
        exchange.url = head.url
        exchange.headers = head.headers
        exchange.body = data[at:]
        return exchange, missing

    def learn(self, data: bytes, exchange: Exchange, received: int) -> None:
        """Remember the head of the request that the parser has just read out of `data`, which held nothing else.

        received: bytes of its body; there may be more to come, as some clients send it after the head.
        """
        at = data.find(_END) + 4
        length = exchange.headers.get(b"content-length", b"0")
        if (
            not 4 <= at <= _LONGEST_HEAD_BYTES
            or not exchange.keep_alive
            or exchange.says_keep_alive
            or len(exchange.headers) > _MOST_HEADERS
            or len(length) > _LONGEST_LENGTH
            or not length.isdigit()
            or (body_bytes := int(length)) < received
            or received != len(data) - at  # else this is not where the head ends
            or any(name in exchange.headers for name in _NEVER)
        ):
            return
        if len(self._heads) >= _MOST_HEADS:
            self._heads.clear()  # clients whose every head is another one must not keep the others' out
        self._heads[data[:at]] = Head(exchange.method, exchange.url, exchange.headers, body_bytes)
