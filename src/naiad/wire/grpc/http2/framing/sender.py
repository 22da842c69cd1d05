"""What goes out on one connection: frames cut to the client's limits, held back by its windows (RFC 9113, section 6.9).

Everything sent is appended to `output`; the owner takes it away once in a turn of the loop. Streams that are held back
take turns, a frame each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from naiad.wire.grpc.http2.framing.codes import (
    DATA,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    LEAST_FRAME,
    MOST_WINDOW,
    ConnectionFault,
    ErrorCode,
    StreamFault,
)
from naiad.wire.grpc.http2.framing.frames import HEAD, header_frames, reset
from naiad.wire.grpc.http2.framing.streams import Event, Stream, StreamState
from naiad.wire.waiting import Account

_SHRINK_TABLE = b"\x20"
"""Dynamic table size update to 0 (RFC 7541, section 6.3)."""
_DEFAULT_TABLE_BYTES = 4096
_TURN_BYTES = 4 * 1024 * 1024
"""Cut into frames in one turn of the loop, in a millisecond or less."""
_LARGE_BYTES = 16 * 1024
"""From here on bytes are handed to the socket as they are; below, joining them is cheaper."""


class Sender:
    """The sending half of one connection."""

    def __init__(
        self,
        wake: Callable[[], None],
        on_local_end: Callable[[Stream, bool], None],
        unsent_bytes: int,
        account: Account,
    ) -> None:
        """wake: called when output begins to wait.

        on_local_end: called when a stream has sent its end or a reset, with whether that came before the client's end.
        """
        self.output: list[bytes | memoryview] = []
        self.has_large = False
        """Whether something in the output is better not joined."""
        self.window = DEFAULT_WINDOW
        self.initial_window = DEFAULT_WINDOW
        """Window of new streams, from the client's SETTINGS."""
        self.frame_bytes = LEAST_FRAME
        self.is_held = False
        """The client does not read; what can wait, waits."""
        self.uses = 0
        """DATA frames with something in them so far; for the flood limits."""
        self.answered = 0
        """Streams ended without a reset so far; likewise."""
        self._wake = wake
        self._on_local_end = on_local_end
        self._unsent_bytes = unsent_bytes
        self._account = account
        self.held: dict[Stream, None] = {}
        """Streams with something waiting; a dict because it keeps order."""
        self.is_behind = False
        """More could be sent than in one turn of the loop; the owner calls `pump` in the next."""
        self._table_update = b""

    def write(self, data: bytes) -> None:
        """Send a frame made elsewhere."""
        if not self.output:
            self._wake()
        self.output.append(data)

    def send_headers(self, stream: Stream, block: bytes, ends: bool) -> None:
        """See Stream."""
        if not stream.can_send:
            return
        if stream.waiting:
            stream.waiting.append((block, ends))
            return
        if self._table_update:
            block, self._table_update = self._table_update + block, b""
        length = len(block)
        if length <= self.frame_bytes:
            flags = END_HEADERS | END_STREAM if ends else END_HEADERS
            self.write(HEAD.pack(0, length, HEADERS, flags, stream.id) + block)
        else:
            self.write(header_frames(stream.id, block, ends, self.frame_bytes))
        if ends:
            self._end(stream)

    def send_opening(self, stream: Stream, block: bytes, data: bytes, ending: bytes = b"") -> None:
        """Send headers and the first data, in one piece if nothing is in the way: nearly every answer begins so.

        ending: trailers behind them, which end the stream; nearly every answer is that and no more.
        """
        size, length = len(data), len(block)
        if (
            size > stream.send_window
            or size > self.window
            or max(size, length) > self.frame_bytes
            or size >= _LARGE_BYTES
            or self.is_held
            or self._table_update
            or stream.waiting
            or stream.state > StreamState.HALF_CLOSED_REMOTE
            or (ending and stream.state == StreamState.OPEN)
        ):
            self.send_headers(stream, block, False)
            self.send_data(stream, data)
            if ending:
                self.send_headers(stream, ending, True)
            return
        stream.send_window -= size
        self.window -= size
        self.uses += 1
        if not self.output:
            self._wake()
        headers = HEAD.pack(0, length, HEADERS, END_HEADERS, stream.id)
        content = HEAD.pack(0, size, DATA, 0, stream.id)
        if not ending:
            self.output.append(b"%b%b%b%b" % (headers, block, content, data))
            return
        trailers = HEAD.pack(0, len(ending), HEADERS, END_HEADERS | END_STREAM, stream.id)
        self.output.append(b"%b%b%b%b%b%b" % (headers, block, content, data, trailers, ending))
        self.answered += 1
        stream.state = StreamState.CLOSED
        self._on_local_end(stream, False)

    def send_data(self, stream: Stream, data: bytes | memoryview) -> None:
        """See Stream."""
        size = len(data)
        if not size or not stream.can_send:
            return
        if (
            size <= stream.send_window
            and size <= self.window
            and size <= self.frame_bytes
            and not stream.waiting
            and not self.is_held
        ):
            self._write_data(stream, data, size)
            return
        self._hold(stream, data)
        if not self.is_behind:
            self.pump(stream)

    def reset(self, stream: Stream, code: ErrorCode) -> None:
        """See Stream."""
        if stream.state == StreamState.CLOSED:
            return
        self.drop(stream)
        is_early = stream.state == StreamState.OPEN
        stream.move(Event.RESET)
        self.write(reset(stream.id, code))
        self._on_local_end(stream, is_early)

    def drop(self, stream: Stream) -> None:
        """Forget what waits on a stream."""
        stream.waiting = None
        self._account.take(-stream.waiting_bytes)
        stream.waiting_bytes = 0
        self.held.pop(stream, None)

    def close(self) -> None:
        """Send nothing any more, and let go of what waits and of who was told."""
        self.take()
        self.held.clear()
        self._wake = self._on_local_end = _ignore

    def pump(self, only: Stream | None = None) -> None:
        """Send what windows allow of what waits, as much as there may be in one turn of the loop.

        only: the one stream for which something has changed; there may be a thousand others.
        """
        until = self.window - _TURN_BYTES
        while self.held and not self.is_held and self.window > 0:
            is_stuck = True
            for stream in list(self.held) if only is None else [only] if only in self.held else ():
                if self._pump_one(stream):
                    is_stuck = False
            if is_stuck:
                return
            if self.window <= until:
                self.is_behind = True
                return

    def open_window(self, stream: Stream | None, increment: int) -> None:
        """Take a WINDOW_UPDATE; None: for the connection. Raises a fault past 2^31-1 (section 6.9.1)."""
        if stream is None:
            if self.window + increment > MOST_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "window of the connection larger than 2^31-1")
            self.window += increment
        else:
            if stream.send_window + increment > MOST_WINDOW:
                raise StreamFault(stream.id, ErrorCode.FLOW_CONTROL_ERROR, "window of the stream larger than 2^31-1")
            stream.send_window += increment
        if self.held and not self.is_behind:
            self.pump(stream)

    def resize_table(self, most_bytes: int) -> None:
        """Take SETTINGS_HEADER_TABLE_SIZE; we use no table but must confirm that it shrinks (RFC 7541, section 4.2)."""
        if most_bytes < _DEFAULT_TABLE_BYTES:
            self._table_update = _SHRINK_TABLE

    def take(self) -> list[bytes | memoryview]:
        """Return the output and begin anew."""
        output, self.output, self.has_large = self.output, [], False
        return output

    def _hold(self, stream: Stream, data: bytes | memoryview) -> None:
        waiting = stream.waiting
        if waiting is None:
            waiting = stream.waiting = deque()
        elif stream.waiting_bytes > self._unsent_bytes:
            receiver = stream.receiver
            self.reset(stream, ErrorCode.ENHANCE_YOUR_CALM)
            if receiver is not None:
                receiver.on_reset()
            return
        waiting.append(memoryview(data))
        stream.waiting_bytes += len(data)
        self._account.take(len(data))
        self.held[stream] = None

    def _pump_one(self, stream: Stream) -> bool:
        """Send one frame of a stream, and headers behind it; returns whether anything was sent."""
        waiting = stream.waiting
        assert waiting, "only streams with something waiting are held"
        first = waiting[0]
        if isinstance(first, memoryview):
            size = min(len(first), stream.send_window, self.window, self.frame_bytes)
            if size <= 0:
                return False
            if size == len(first):
                waiting.popleft()
            else:
                waiting[0] = first[size:]
            stream.waiting_bytes -= size
            self._account.take(-size)
            self._write_data(stream, first[:size], size)
        while waiting and isinstance(headers := waiting[0], tuple):
            waiting.popleft()
            block, ends = headers
            held, stream.waiting = stream.waiting, None
            self.send_headers(stream, block, ends)
            stream.waiting = held
        if not waiting:
            self.drop(stream)
        return True

    def _write_data(self, stream: Stream, data: bytes | memoryview, size: int) -> None:
        stream.send_window -= size
        self.window -= size
        self.uses += 1
        if not self.output:
            self._wake()
        head = HEAD.pack(size >> 16, size & 0xFFFF, DATA, 0, stream.id)
        if size < _LARGE_BYTES:
            self.output.append(head + data)
        else:
            self.output.append(head)
            self.output.append(data)
            self.has_large = True

    def _end(self, stream: Stream) -> None:
        is_early = stream.state == StreamState.OPEN
        stream.move(Event.LOCAL_END)
        if is_early:
            # Section 8.1: the answer is complete, so the client need not send the rest of its request.
            self.write(reset(stream.id, ErrorCode.NO_ERROR))
            stream.move(Event.RESET)
        self.answered += 1
        self._on_local_end(stream, is_early)


def _ignore(*_: object) -> None:
    """Stand where a connection was told of something."""
