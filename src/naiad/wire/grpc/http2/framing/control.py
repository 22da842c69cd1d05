# ruff: noqa: ARG002  # every handler takes the same arguments
"""Frames that carry no request: SETTINGS, PING, GOAWAY, WINDOW_UPDATE, RST_STREAM, PRIORITY, and those out of place.

Each handler checks what RFC 9113 says of its frame, counts it against the flood limits, and does what it asks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from naiad.wire.grpc.http2.framing import settings as names
from naiad.wire.grpc.http2.framing.codes import (
    ACK,
    FRAME_TYPES,
    MOST_WINDOW,
    SETTINGS,
    ConnectionFault,
    ErrorCode,
    StreamFault,
)
from naiad.wire.grpc.http2.framing.frames import NUMBER, Handler, frame, ping
from naiad.wire.grpc.http2.framing.settings import read_settings

if TYPE_CHECKING:
    from naiad.wire.grpc.http2.framing.connection import Http2Connection


class ControlFrames:
    """The handlers of one connection."""

    def __init__(self, connection: Http2Connection[Any]) -> None:
        self._connection = connection
        self._sender = connection.sender
        self._floods = connection.floods
        self._pings = connection.pings

    def first_handlers(self) -> list[Handler]:
        """Until the client's first SETTINGS, nothing else is allowed (section 3.4)."""
        handlers: list[Handler] = [self._on_too_early] * (FRAME_TYPES + 1)
        handlers[SETTINGS] = self._on_first_settings
        return handlers

    def _on_too_early(self, flags: int, stream_id: int, buffer: bytes, start: int, end: int) -> None:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the first frame must be SETTINGS")

    def _on_first_settings(self, flags: int, stream_id: int, buffer: bytes, start: int, end: int) -> None:
        if flags & ACK:
            self._on_too_early(flags, stream_id, buffer, start, end)
        self._connection.open()
        self.on_settings(flags, stream_id, buffer, start, end)

    def on_settings(self, flags: int, stream_id: int, buffer: bytes, start: int, end: int) -> None:
        """Section 6.5."""
        if stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream")
        if flags & ACK:
            if start != end:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "acknowledgement of SETTINGS with a payload")
            self._connection.is_greeted = True
            return
        self._floods.spend("SETTINGS", 0)
        for key, value in read_settings(buffer[start:end]):
            if key == names.HEADER_TABLE_SIZE:
                self._sender.resize_table(value)
            elif key == names.INITIAL_WINDOW_SIZE:
                self._resize_windows(value)
            elif key == names.MAX_FRAME_SIZE:
                self._sender.frame_bytes = value
        self._sender.write(frame(SETTINGS, ACK, 0))
        self._sender.pump()

    def _resize_windows(self, size: int) -> None:
        """Section 6.9.2: the change is applied to every stream, and a window may become negative."""
        change = size - self._sender.initial_window
        self._sender.initial_window = size
        for stream in self._connection.streams.values():
            stream.send_window += change
            if stream.send_window > MOST_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "window of a stream larger than 2^31-1")

    def on_ping(self, flags: int, stream_id: int, buffer: bytes, start: int, end: int) -> None:
        """Section 6.7."""
        if stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PING on a stream")
        if end - start != 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"PING of {end - start} bytes")
        if flags & ACK:
            self._connection.on_pong(buffer[start:end])
            return
        self._floods.spend("PING", self._sender.uses)
        self._pings.take(self._sender.uses, len(self._connection.streams))
        self._sender.write(ping(buffer[start:end], ACK))

    def on_goaway(self, flags: int, stream_id: int, buffer: bytes, start: int, end: int) -> None:
        """Section 6.8: the client opens no more streams; those that run, go on."""
        if stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream")
        if end - start < 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"GOAWAY of {end - start} bytes")
        self._connection.finish()

    def on_window_update(self, flags: int, stream_id: int, buffer: bytes, start: int, end: int) -> None:
        """Section 6.9."""
        if end - start != 4:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"WINDOW_UPDATE of {end - start} bytes")
        left = self._floods.left  # every call comes with two of these, so they are counted here
        left["WINDOW_UPDATE"] -= 1
        if left["WINDOW_UPDATE"] < 0:
            self._floods.refill("WINDOW_UPDATE", self._sender.uses)
        increment: int = NUMBER.unpack_from(buffer, start)[0] & MOST_WINDOW
        if not stream_id:
            if not increment:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE by 0")
            self._sender.open_window(None, increment)
            return
        stream = self._connection.streams.get(stream_id)
        if stream is None:
            # A stream that has just ended is no mistake (section 5.1).
            if self._connection.ids.is_idle(stream_id):
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"WINDOW_UPDATE on idle stream {stream_id}")
            return
        if not increment:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE by 0")
        self._sender.open_window(stream, increment)

    def on_reset(self, flags: int, stream_id: int, buffer: bytes, start: int, end: int) -> None:
        """Section 6.4."""
        if end - start != 4:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"RST_STREAM of {end - start} bytes")
        if self._connection.ids.is_idle(stream_id):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"RST_STREAM on idle stream {stream_id}")
        self._floods.spend("RST_STREAM", self._sender.answered)
        self._connection.cancel(stream_id)

    def on_priority(self, flags: int, stream_id: int, buffer: bytes, start: int, end: int) -> None:
        """Section 6.3: obsolete; only its form is checked."""
        if not stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PRIORITY on stream 0")
        self._floods.spend("PRIORITY or unknown", self._sender.uses)
        if end - start != 5:
            raise StreamFault(stream_id, ErrorCode.FRAME_SIZE_ERROR, f"PRIORITY of {end - start} bytes")

    def on_push_promise(self, flags: int, stream_id: int, buffer: bytes, start: int, end: int) -> None:
        """Section 8.4: a client cannot push."""
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE from a client")

    def on_unknown(self, flags: int, stream_id: int, buffer: bytes, start: int, end: int) -> None:
        """Section 5.5: ignored."""
        self._floods.spend("PRIORITY or unknown", self._sender.uses)
