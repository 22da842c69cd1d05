# ruff: noqa: ARG002  # every handler takes the same arguments
"""Header blocks that come in pieces: HEADERS, then CONTINUATION and nothing else (RFC 9113, sections 6.2 and 6.10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from naiad.wire.grpc.http2.framing.codes import (
    CONTINUATION,
    END_HEADERS,
    FRAME_TYPES,
    PADDED,
    PRIORITIZED,
    ConnectionFault,
    ErrorCode,
)
from naiad.wire.grpc.http2.framing.floods import CONTINUATIONS
from naiad.wire.grpc.http2.framing.frames import Handler, strip_padding


class BlockGatherer:
    """Makes whole header blocks of the frames of one connection."""

    def __init__(
        self,
        most_bytes: int,
        exchange: Callable[[Sequence[Handler] | None], None],
        on_block: Callable[[int, int, bytes], None],
    ) -> None:
        """most_bytes: of a compressed block.

        exchange: called with the handlers that are to be used until it is called with None. on_block: takes (flags of
        HEADERS, stream id, block).
        """
        self._most_bytes = most_bytes
        self._exchange = exchange
        self._on_block = on_block
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._flags = 0
        self._stream_id = 0

    def on_headers(self, flags: int, stream_id: int, buffer: bytes, start: int, end: int) -> None:
        """Take HEADERS."""
        if flags & (PADDED | PRIORITIZED):
            start, end = strip_padding(flags, buffer, start, end)
        if not stream_id & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"HEADERS on stream {stream_id}")  # section 5.1.1
        if flags & END_HEADERS:
            self._on_block(flags, stream_id, buffer[start:end])
            return
        self._flags, self._stream_id, self._bytes = flags, stream_id, 0
        handlers: list[Handler] = [self._on_interruption] * (FRAME_TYPES + 1)
        handlers[CONTINUATION] = self._on_continuation
        self._exchange(handlers)
        self._extend(buffer[start:end])

    def on_stray(self, flags: int, stream_id: int, buffer: bytes, start: int, end: int) -> None:
        """Take CONTINUATION that continues nothing."""
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "CONTINUATION without HEADERS")

    def _on_interruption(self, flags: int, stream_id: int, buffer: bytes, start: int, end: int) -> None:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "header block interrupted by another frame")

    def _on_continuation(self, flags: int, stream_id: int, buffer: bytes, start: int, end: int) -> None:
        if stream_id != self._stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "CONTINUATION on another stream")
        self._extend(buffer[start:end])
        if flags & END_HEADERS:
            block = b"".join(self._pieces)
            self._pieces.clear()
            self._exchange(None)
            self._on_block(self._flags, stream_id, block)

    def _extend(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._bytes += len(piece)
        if self._bytes > self._most_bytes or len(self._pieces) > CONTINUATIONS:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "header block too large")
