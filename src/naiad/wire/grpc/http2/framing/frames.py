"""Frames (RFC 9113, section 4): cutting them out of the bytes received, and making those that are sent.

The reader knows lengths and types; what a frame means is the business of the handler for its type. DATA without padding
is handed over as it comes, in pieces, so that a large frame is neither gathered nor copied here; every other frame is
handed over whole.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from naiad.core.clock import monotonic
from naiad.wire.grpc.http2.framing.codes import (
    CONTINUATION,
    DATA,
    END_STREAM,
    FRAME_TYPES,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITIZED,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    ConnectionFault,
    ErrorCode,
    StreamFault,
)
from naiad.wire.grpc.http2.framing.turn import TURN_S, Turn

HEAD = struct.Struct(">BHBBI")
"""Length (24 bits), type, flags, stream id."""
HEAD_BYTES = 9
NUMBER = struct.Struct(">I")
_GOAWAY = struct.Struct(">II")
_ID = 0x7FFFFFFF
"""Without the reserved bit."""

_LOOK_BYTES = 1024
"""Of frames without data, after which the clock is looked at all the same."""

Handler = Callable[[int, int, bytes, int, int], None]
"""(flags, stream id, buffer, start, end): the payload is buffer[start:end]."""


class FrameReader:
    """Cuts the bytes of one connection into frames."""

    def __init__(
        self, most_bytes: int, on_stream_fault: Callable[[StreamFault], None], turn: Turn | None = None
    ) -> None:
        """most_bytes: of a payload, our SETTINGS_MAX_FRAME_SIZE. turn: the connection's."""
        self.handlers: Sequence[Handler] = ()
        """One for each type, and a last one for types that are unknown; exchanged when the rules change."""
        self._most_bytes = most_bytes
        self._on_stream_fault = on_stream_fault
        self._turn = turn or Turn(monotonic)
        self._pieces: list[bytes] = []
        """Received, but not enough of it to go on; `_have` bytes of the `_need` that are awaited."""
        self._have = 0
        self._need = len(PREFACE)
        self._is_begun = False
        self._left = 0
        """Bytes still to come of a DATA frame handed over in pieces, whose flags and stream these are:"""
        self._flags = 0
        self._stream_id = 0

    def feed(self, data: bytes) -> None:
        """Take bytes, and handle frames for the length of a turn; for the rest of them, call again with b"".

        Raises ConnectionFault; nothing may be fed afterwards.
        """
        if self._have:
            self._pieces.append(data)
            self._have += len(data)
            if self._have < self._need:
                return
            data = b"".join(self._pieces)
            self._pieces.clear()
            self._have = 0
        at = self._begin(data) if not self._is_begun else self._continue_data(data) if self._left else 0
        at = self._frames(data, at)
        if at < len(data):
            self._pieces.append(data[at:] if at else data)
            self._have = len(data) - at

    def _begin(self, data: bytes) -> int:
        self._check_preface(data)
        if len(data) < len(PREFACE):
            self._need = len(PREFACE)
            return 0
        self._is_begun = True
        return len(PREFACE)

    def _check_preface(self, data: bytes) -> None:
        """Section 3.4: anything else is a connection error of type PROTOCOL_ERROR."""
        if not PREFACE.startswith(data[: len(PREFACE)]):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "this port speaks HTTP/2 with prior knowledge only")

    def _frames(self, data: bytes, at: int) -> int:
        """Hand over every frame that is there; returns where the first one begins that is not."""
        size = len(data)
        if not self._is_begun:
            return at
        unpack, handlers, turn = HEAD.unpack_from, self.handlers, self._turn
        now, turn.until_s, look_at = turn.now, turn.now() + TURN_S, at + _LOOK_BYTES
        while size - at >= HEAD_BYTES:
            high, low, kind, flags, stream_id = unpack(data, at)
            length = high << 16 | low
            # Section 4.2: a frame that may change the state of the connection; so for all of them.
            if length > self._most_bytes:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"frame of {length} bytes")
            start = at + HEAD_BYTES
            end = start + length
            if end > size:
                if kind == DATA and not flags & PADDED and size > start:
                    self._flags, self._stream_id, self._left = flags, stream_id & _ID, end - size
                    self._handle(DATA, flags & ~END_STREAM, self._stream_id, data, start, size)
                    return size
                self._need = HEAD_BYTES + length
                return at
            try:
                handler = handlers[kind] if kind < FRAME_TYPES else handlers[FRAME_TYPES]
                handler(flags, stream_id & _ID, data, start, end)
            except StreamFault as fault:
                self._on_stream_fault(fault)
            if handlers is not self.handlers:
                handlers = self.handlers
            at = end
            if (kind == DATA or at > look_at) and size - at >= HEAD_BYTES:  # others are soon done, as a rule
                look_at = at + _LOOK_BYTES
                if now() > turn.until_s:
                    turn.leave()
                    break
        self._need = HEAD_BYTES
        return at

    def _continue_data(self, data: bytes) -> int:
        """Hand over more of the DATA frame begun."""
        end = min(self._left, len(data))
        self._left -= end
        if end:
            self._handle(DATA, self._flags & ~END_STREAM if self._left else self._flags, self._stream_id, data, 0, end)
        return end

    def _handle(self, kind: int, flags: int, stream_id: int, data: bytes, start: int, end: int) -> None:
        try:
            self.handlers[kind](flags, stream_id, data, start, end)
        except StreamFault as fault:
            self._on_stream_fault(fault)


def strip_padding(flags: int, buffer: bytes, start: int, end: int) -> tuple[int, int]:
    """Return where the content of a frame begins and ends, without padding and priority fields.

    flags: only those that the frame's type has. Raises ConnectionFault when they do not fit (sections 6.1 and 6.2).
    """
    if flags & PADDED:
        if start == end:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "padded frame without a pad length")
        end -= buffer[start]
        start += 1
    if flags & PRIORITIZED:
        start += 5
    if start > end:
        code = ErrorCode.PROTOCOL_ERROR if flags & PADDED else ErrorCode.FRAME_SIZE_ERROR
        raise ConnectionFault(code, "padding and priority fields longer than the frame")
    return start, end


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return one frame."""
    length = len(payload)
    return HEAD.pack(length >> 16, length & 0xFFFF, kind, flags, stream_id) + payload


def header_frames(stream_id: int, block: bytes, ends: bool, most_bytes: int) -> bytes:
    """Return HEADERS, and CONTINUATION for what does not fit into `most_bytes`."""
    pieces = [block[at : at + most_bytes] for at in range(0, len(block), most_bytes)] or [b""]
    kinds = [HEADERS] + [CONTINUATION] * (len(pieces) - 1)
    return b"".join(
        frame(
            kind, (0x4 if index == len(pieces) - 1 else 0) | (END_STREAM if ends and not index else 0), stream_id, piece
        )
        for index, (kind, piece) in enumerate(zip(kinds, pieces, strict=True))
    )


def settings_frame(values: Sequence[tuple[int, int]]) -> bytes:
    """Return SETTINGS with these (identifier, value)."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", key, value) for key, value in values))


def window_update(stream_id: int, increment: int) -> bytes:
    """Return WINDOW_UPDATE; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream_id, NUMBER.pack(increment))


def reset(stream_id: int, code: ErrorCode) -> bytes:
    """Return RST_STREAM."""
    return frame(RST_STREAM, 0, stream_id, NUMBER.pack(code))


def ping(data: bytes, flags: int = 0) -> bytes:
    """Return PING with these eight bytes."""
    return frame(PING, flags, 0, data)


def goaway(last_stream_id: int, code: ErrorCode, message: str = "") -> bytes:
    """Return GOAWAY; the message is for people who read dumps."""
    return frame(GOAWAY, 0, 0, _GOAWAY.pack(last_stream_id, code) + message.encode())
