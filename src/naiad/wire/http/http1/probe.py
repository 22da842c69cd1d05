"""Finding out whether a client that sends no more is still there.

A client that is gone looks like one that is only done with sending, but its system answers any byte with a reset; then
the connection is lost, and what was asked is withdrawn. So such a client gets its next answer's beginning byte by byte.
"""

from __future__ import annotations

import asyncio
from collections import deque

from naiad.wire.http.exchange import Exchange

_BEGINNING = b"HTTP/1.1 "
"""Of every answer."""
_MOST_ZEROS = 6
"""In front of the size of a chunk, for clients that bound its length."""
_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0
"""Between two bytes, each time twice as long."""


class Probe:
    """Sends bytes of whatever comes next, until it is stopped or nothing is owed."""

    def __init__(self, transport: asyncio.Transport, exchanges: deque[Exchange]) -> None:
        """Send the first byte. exchanges: the connection's own, of the requests that are not answered yet."""
        self._transport = transport
        self._exchanges = exchanges
        self._begun_bytes = 0
        """Of the next answer, which the client has got already."""
        self._zeros = 0
        """Sent in front of sizes of chunks."""
        self._timer: asyncio.TimerHandle | None = None
        self._send(_PAUSE_S)

    def rest_of(self, answer: bytes | memoryview) -> bytes | memoryview:
        """What is still to be sent of the next answer."""
        begun_bytes, self._begun_bytes = self._begun_bytes, 0
        return answer[begun_bytes:] if begun_bytes else answer

    def stop(self) -> None:
        """Send nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _send(self, pause_s: float) -> None:
        """Send one more byte of how the next answer begins, or the next chunk of a stream, whatever it will be."""
        exchanges, begun_bytes = self._exchanges, self._begun_bytes
        if not exchanges:
            return
        if begun_bytes < len(_BEGINNING) and not exchanges[0].is_streaming:
            self._begun_bytes = begun_bytes + 1
            self._transport.write(_BEGINNING[begun_bytes : begun_bytes + 1])
        elif exchanges[0].is_between_chunks and self._zeros < _MOST_ZEROS:
            self._zeros += 1
            self._transport.write(b"0")  # RFC 9112, 7.1: a chunk's size may have zeros in front
        longer_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        self._timer = asyncio.get_running_loop().call_later(pause_s, self._send, longer_s)
