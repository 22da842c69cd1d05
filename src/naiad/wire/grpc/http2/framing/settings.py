"""SETTINGS (RFC 9113, section 6.5): what we announce, and what a client may announce."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from naiad.wire.grpc.http2.framing.codes import LEAST_FRAME, MOST_FRAME, MOST_WINDOW, ConnectionFault, ErrorCode

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = (
    range(1, 7)
)

_ENTRY = struct.Struct(">HI")


@dataclass(frozen=True, slots=True)
class Http2Limits:
    """What one connection may ask of us."""

    streams: int = 1000
    """At the same time; more are refused, which a client may safely repeat (section 5.1.2)."""
    header_bytes: int = 64 * 1024
    """Names, values and 32 for each, as section 6.5.2 counts. Past it that one request is refused; past four times as
    much, before or after decompression, the connection."""
    frame_bytes: int = 1024 * 1024
    """Payload of one frame."""
    stream_window_bytes: int = 8 * 1024 * 1024
    """A client may send so much on one stream before it waits for us."""
    connection_window_bytes: int = 64 * 1024 * 1024
    """And so much on all streams together."""
    unsent_bytes: int = 256 * 1024 * 1024
    """Answers of one stream that wait for a slow client; a stream that is past it when more comes is ended."""
    ping_interval_s: float = 300.0
    """Between two PINGs of a client with streams, when no data goes either way."""
    permits_pings_without_streams: bool = False
    """The same for a client without; otherwise that one may ask every two hours."""
    ping_strikes: int = 2
    """A client may ask too early so often; 0: any."""

    def announced(self) -> list[tuple[int, int]]:
        """Our SETTINGS; what is left out has its default. The header table keeps its 4,096 bytes."""
        return [
            (MAX_CONCURRENT_STREAMS, self.streams),
            (INITIAL_WINDOW_SIZE, self.stream_window_bytes),
            (MAX_FRAME_SIZE, self.frame_bytes),
            (MAX_HEADER_LIST_SIZE, self.header_bytes),
        ]


def read_settings(payload: bytes) -> Iterator[tuple[int, int]]:
    """Yield (identifier, value) of a client's SETTINGS, in order. Raises ConnectionFault for values out of range."""
    if len(payload) % 6:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes")  # section 6.5
    for key, value in _ENTRY.iter_unpack(payload):
        if key == ENABLE_PUSH and value > 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"SETTINGS_ENABLE_PUSH is {value}")
        if key == INITIAL_WINDOW_SIZE and value > MOST_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, f"SETTINGS_INITIAL_WINDOW_SIZE is {value}")
        if key == MAX_FRAME_SIZE and not LEAST_FRAME <= value <= MOST_FRAME:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"SETTINGS_MAX_FRAME_SIZE is {value}")
        yield key, value
