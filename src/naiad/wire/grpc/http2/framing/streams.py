"""One stream: its state (RFC 9113, section 5.1), its windows, and what waits to be sent on it.

A stream belongs to a connection; whoever takes its request gets the stream, sets `receiver`, and answers by `send_…`.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

from naiad.wire.grpc.http2.framing.codes import ErrorCode, StreamFault

if TYPE_CHECKING:
    from naiad.wire.grpc.http2.framing.sender import Sender


class StreamState(IntEnum):
    """State of a stream that a client opened; reserved states do not occur, as we push nothing."""

    OPEN = 0
    HALF_CLOSED_REMOTE = 1
    """The client has sent END_STREAM."""
    HALF_CLOSED_LOCAL = 2
    """We have."""
    CLOSED = 3


class Event(IntEnum):
    """What moves a stream."""

    REMOTE_END = 0
    LOCAL_END = 1
    RESET = 2


TRANSITIONS: tuple[tuple[StreamState | None, ...], ...] = (
    # REMOTE_END,               LOCAL_END,                RESET
    (StreamState.HALF_CLOSED_REMOTE, StreamState.HALF_CLOSED_LOCAL, StreamState.CLOSED),  # OPEN
    (None, StreamState.CLOSED, StreamState.CLOSED),  # HALF_CLOSED_REMOTE
    (StreamState.CLOSED, None, StreamState.CLOSED),  # HALF_CLOSED_LOCAL
    (None, None, StreamState.CLOSED),  # CLOSED
)
"""State → event → next state; None: must not happen, callers see to it. Tuples, as every request goes through here."""


class Receiver(Protocol):
    """Who takes what a client sends on one stream."""

    def on_data(self, buffer: bytes, start: int, end: int, ends: bool) -> None:
        """Take buffer[start:end], maybe empty; ends: nothing will follow."""

    def on_reset(self) -> None:
        """The client, the connection or a broken rule has ended the stream; nothing can be sent on it."""

    def on_stop(self) -> None:
        """The server stops; whatever the client still has to say for an answer comes too late."""


class Stream:
    """One request and its answer."""

    __slots__ = (
        "id",
        "receive_window",
        "receiver",
        "send_window",
        "sender",
        "state",
        "unread_bytes",
        "waiting",
        "waiting_bytes",
    )

    def __init__(self, stream_id: int, sender: Sender, send_window: int, receive_window: int) -> None:
        self.id = stream_id
        self.sender = sender
        self.state = StreamState.OPEN
        self.send_window = send_window
        """May be negative (section 6.9.2)."""
        self.receive_window = receive_window
        """What the client may still send."""
        self.receiver: Receiver | None = None
        self.unread_bytes = -1
        """Bytes that content-length still promises; negative: it promised nothing."""
        self.waiting: deque[memoryview | tuple[bytes, bool]] | None = None
        """Data, and header blocks with their `ends`, that windows or a slow client hold back."""
        self.waiting_bytes = 0
        """Bytes of DATA in `waiting`."""

    def move(self, event: Event) -> None:
        """Change state."""
        state = TRANSITIONS[self.state][event]
        assert state is not None, f"{event!r} in {self.state!r}"
        self.state = state

    @property
    def can_send(self) -> bool:
        """Whether we have not ended it."""
        return self.state <= StreamState.HALF_CLOSED_REMOTE

    def count_content(self, size: int, ends: bool) -> None:
        """Section 8.1.1: DATA must add up to content-length; only called when there is one. Raises StreamFault."""
        self.unread_bytes -= size
        if self.unread_bytes < 0 or (ends and self.unread_bytes):
            raise StreamFault(self.id, ErrorCode.PROTOCOL_ERROR, "content-length and DATA differ")

    def send_headers(self, block: bytes, ends: bool = False) -> None:
        """Send a header block (compressed, touching no table); ends: the last thing on this stream."""
        self.sender.send_headers(self, block, ends)

    def send_opening(self, block: bytes, data: bytes) -> None:
        """Send a header block and data behind it."""
        self.sender.send_opening(self, block, data)

    def send_data(self, data: bytes | memoryview) -> None:
        """Send data, as far as windows let it; the rest as they open."""
        self.sender.send_data(self, data)

    def reset(self, code: ErrorCode) -> None:
        """End it at once; the receiver is not told."""
        self.sender.reset(self, code)
