"""One HTTP/2 connection, the server's side, without I/O: `receive` bytes, `sender.take()` bytes.

Here are its streams: how they are opened by HEADERS, filled by DATA and ended; each rule is beside its section of
RFC 9113. Other frames are in `control.py`, header blocks in pieces in `blocks.py`, what is sent in `sender.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic

from naiad.core.clock import Clock
from naiad.wire.grpc.http2.framing.blocks import BlockGatherer
from naiad.wire.grpc.http2.framing.codes import (
    DEFAULT_WINDOW,
    END_STREAM,
    MOST_STREAM_ID,
    PADDED,
    ConnectionFault,
    ErrorCode,
    StreamFault,
)
from naiad.wire.grpc.http2.framing.control import ControlFrames
from naiad.wire.grpc.http2.framing.floods import Floods
from naiad.wire.grpc.http2.framing.frames import (
    FrameReader,
    Handler,
    goaway,
    ping,
    reset,
    settings_frame,
    strip_padding,
    window_update,
)
from naiad.wire.grpc.http2.framing.heads import Fields, Head, HeaderBlocks, MalformedError, OversizedError
from naiad.wire.grpc.http2.framing.ids import StreamIds
from naiad.wire.grpc.http2.framing.pings import PingPolicy
from naiad.wire.grpc.http2.framing.sender import Sender
from naiad.wire.grpc.http2.framing.settings import Http2Limits
from naiad.wire.grpc.http2.framing.streams import Event, Stream, StreamState
from naiad.wire.grpc.http2.framing.turn import Turn
from naiad.wire.waiting import Account

_DRAIN_PING = b"drained?"


class Http2Connection(Generic[Head]):
    """The rules of one connection."""

    def __init__(
        self,
        limits: Http2Limits,
        interpret: Callable[[Fields], Head],
        accept: Callable[[Stream, Head, bool], None],
        refuse: Callable[[Stream, str], None],
        wake: Callable[[], None],
        now: Clock,
        account: Account | None = None,
    ) -> None:
        """interpret: what to make of a header list.

        accept: takes a request: its stream, its head, whether it has no body. refuse: answers one whose headers are too
        large, with the reason. Both are called from `receive`. wake: called when output begins to wait in `sender`.
        account: to which answers that the client's windows hold back are counted.
        """
        self.sender = Sender(wake, self._local_end, limits.unsent_bytes, account or Account())
        self.floods = Floods(now)
        self.pings = PingPolicy(limits, now)
        self.streams: dict[int, Stream] = {}
        """Streams that are not closed."""
        self.is_done = False
        """Close when the output is written; nothing more is read."""
        self.on_final: Callable[[], object] = lambda: None
        """Set by the owner; called when the client will send no more requests and those it sent have come."""
        self.is_greeted = False
        """The client has acknowledged our SETTINGS."""
        self._limits = limits
        self._accept = accept
        self._refuse = refuse
        self._heads = HeaderBlocks(limits.header_bytes, interpret)
        self.turn = Turn(now)
        self._reader = FrameReader(limits.frame_bytes, self._stream_fault, self.turn)
        self.ids = StreamIds()
        self._receive_window = limits.connection_window_bytes
        self._is_leaving = False
        """One side has said GOAWAY."""
        self._is_final = False
        """We have said which stream is the last one; done when the streams are."""
        blocks = BlockGatherer(4 * limits.header_bytes, self._exchange_handlers, self._on_block)
        control = ControlFrames(self)
        self._handlers: Sequence[Handler] = (
            self._on_data,
            blocks.on_headers,
            control.on_priority,
            control.on_reset,
            control.on_settings,
            control.on_push_promise,
            control.on_ping,
            control.on_goaway,
            control.on_window_update,
            blocks.on_stray,
            control.on_unknown,
        )
        self._reader.handlers = control.first_handlers()

    def greet(self) -> None:
        """Send what a server begins with (section 3.4)."""
        increment = self._limits.connection_window_bytes - DEFAULT_WINDOW
        self.sender.write(settings_frame(self._limits.announced()) + window_update(0, increment))

    def receive(self, data: bytes) -> None:
        """Take bytes from the client; streams, answers and errors follow from them."""
        if self.is_done:
            return
        try:
            self._reader.feed(data)
        except ConnectionFault as fault:
            self.fail(fault.code, fault.message)

    def go_on(self) -> None:
        """Handle what was left of the turn before."""
        turn = self.turn
        turn.begin()
        while turn.calls:
            turn.calls.popleft().go_on()
            if turn.now() > turn.until_s:
                turn.leave()
                return
        self.receive(b"")

    # the end

    def fail(self, code: ErrorCode, message: str) -> None:
        """End the connection with GOAWAY (section 5.4.1)."""
        if not self.is_done:
            self.sender.write(goaway(self.ids.last, code, message))
        self.lose()

    def lose(self) -> None:
        """End it without a word: the client is gone."""
        self.is_done = True
        streams, self.streams = self.streams, {}
        for stream in streams.values():
            self._tell_reset(stream)

    def close(self) -> None:
        """Lose it, and let go of everything: its parts refer to it, and would stay until garbage is collected."""
        self.lose()
        self.sender.close()
        vars(self).clear()
        self.is_done = True

    def drain(self) -> None:
        """Let running streams finish and then be done.

        Section 6.8: first a warning; what was sent before the client read it is served; then the last stream's id.
        """
        if self._is_leaving or self.is_done:
            return
        self._is_leaving = True
        self.sender.write(goaway(MOST_STREAM_ID, ErrorCode.NO_ERROR) + ping(_DRAIN_PING))

    def finish(self) -> None:
        """Take no more streams; be done when those that run are."""
        if not self._is_final:
            self._is_leaving = self._is_final = True
            self.sender.write(goaway(self.ids.last, ErrorCode.NO_ERROR))
            self.on_final()
        self._close_if_left()

    def on_pong(self, data: bytes) -> None:
        """Take the answer to a PING: the client has read all that was sent before."""
        if data == _DRAIN_PING and self._is_leaving:
            self.finish()

    # streams

    def open(self) -> None:
        """The client has begun as it should: take every frame."""
        self._reader.handlers = self._handlers

    def _exchange_handlers(self, handlers: Sequence[Handler] | None) -> None:
        self._reader.handlers = self._handlers if handlers is None else handlers

    def cancel(self, stream_id: int) -> None:
        """The client has reset a stream; none by that id is no mistake, as ours may just have ended."""
        stream = self.streams.pop(stream_id, None)
        if stream is not None:
            self._tell_reset(stream)
            self._close_if_left()

    def _local_end(self, stream: Stream, is_early: bool) -> None:
        """We have ended a stream."""
        self.streams.pop(stream.id, None)
        if is_early:
            self.ids.abandon(stream.id)
        if self._is_final:
            self._close_if_left()

    def _close_if_left(self) -> None:
        if self._is_final and not self.streams:
            self.is_done = True

    def _tell_reset(self, stream: Stream) -> None:
        self.sender.drop(stream)
        stream.move(Event.RESET)
        if stream.receiver is not None:
            stream.receiver.on_reset()

    def _stream_fault(self, fault: StreamFault) -> None:
        """Section 5.4.2."""
        self.floods.spend("stream errors", self.sender.answered)
        self.sender.write(reset(fault.stream_id, fault.code))
        self.ids.abandon(fault.stream_id)
        self.cancel(fault.stream_id)

    # DATA (section 6.1)

    def _on_data(self, flags: int, stream_id: int, buffer: bytes, start: int, end: int) -> None:
        size = end - start  # padding counts (section 6.9.1)
        if flags & PADDED:
            start, end = strip_padding(PADDED, buffer, start, end)
        self._receive_window -= size
        if self._receive_window < self._limits.connection_window_bytes >> 1:
            self._refill_connection()
        stream = self.streams.get(stream_id)
        if stream is None or stream.state == StreamState.HALF_CLOSED_REMOTE:
            self._on_stray_data(stream_id, stream)
            return
        ends = bool(flags & END_STREAM)
        if start < end:
            self.sender.uses += 1
        elif not ends:
            self.floods.spend("empty DATA", 0)
        stream.receive_window -= size
        if stream.receive_window < self._limits.stream_window_bytes >> 1:
            self._refill_stream(stream, ends)
        if stream.unread_bytes >= 0:
            stream.count_content(end - start, ends)
        if ends:
            stream.move(Event.REMOTE_END)
        if stream.receiver is not None:
            stream.receiver.on_data(buffer, start, end, ends)

    def _on_stray_data(self, stream_id: int, stream: Stream | None) -> None:
        if stream is not None:
            raise StreamFault(stream_id, ErrorCode.STREAM_CLOSED, "DATA after the end of the stream")  # section 5.1
        if self.ids.is_idle(stream_id):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"DATA on idle stream {stream_id}")
        if not self.ids.is_abandoned(stream_id):
            raise ConnectionFault(ErrorCode.STREAM_CLOSED, f"DATA on closed stream {stream_id}")

    def _refill_connection(self) -> None:
        """Half of the window is used: give it back (section 6.9)."""
        if self._receive_window < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the connection's window")
        self.sender.write(window_update(0, self._limits.connection_window_bytes - self._receive_window))
        self._receive_window = self._limits.connection_window_bytes

    def _refill_stream(self, stream: Stream, ends: bool) -> None:
        if stream.receive_window < 0:
            raise StreamFault(stream.id, ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the stream's window")
        if not ends:
            self.sender.write(window_update(stream.id, self._limits.stream_window_bytes - stream.receive_window))
            stream.receive_window = self._limits.stream_window_bytes

    # header blocks (sections 6.2 and 8)

    def _on_block(self, flags: int, stream_id: int, block: bytes) -> None:
        """Take a whole header block: a request, or trailers."""
        if stream_id <= self.ids.last:
            self._on_late_block(flags, stream_id, block)
            return
        ids = self.ids
        if stream_id == ids.last + 2:
            ids.last = stream_id
        else:
            ids.begin(stream_id)
        if len(self.streams) >= self._limits.streams or self._is_final:
            self._heads.skip(block)
            raise StreamFault(stream_id, ErrorCode.REFUSED_STREAM, "too many streams")  # section 5.1.2
        head: Head | None = None
        reason = ""
        try:
            head = self._heads.read(block)
        except OversizedError as error:
            reason = str(error)
        except MalformedError as error:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, str(error)) from error  # section 8.1.1
        stream = Stream(stream_id, self.sender, self.sender.initial_window, self._limits.stream_window_bytes)
        self.streams[stream_id] = stream
        ends = bool(flags & END_STREAM)
        if ends:
            stream.move(Event.REMOTE_END)
        if head is None:
            self._refuse(stream, reason)
            return
        if head.content_bytes >= 0:
            stream.unread_bytes = head.content_bytes
            stream.count_content(0, ends)
        self._accept(stream, head, ends)

    def _on_late_block(self, flags: int, stream_id: int, block: bytes) -> None:
        """Take a header block on a stream that has begun: trailers, or a mistake (sections 5.1, 5.1.1 and 8.1)."""
        stream = self.streams.get(stream_id)
        if stream is None:
            if self.ids.is_skipped(stream_id):
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "stream id lower than an earlier one")
            if not self.ids.is_abandoned(stream_id):
                raise ConnectionFault(ErrorCode.STREAM_CLOSED, f"HEADERS on closed stream {stream_id}")
            self._heads.skip(block)
            return
        try:
            self._heads.read_trailers(block)
        except MalformedError as error:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, str(error)) from error
        if stream.state == StreamState.HALF_CLOSED_REMOTE:
            raise StreamFault(stream_id, ErrorCode.STREAM_CLOSED, "HEADERS after the end of the stream")
        if not flags & END_STREAM:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, "trailers without END_STREAM")
        self._on_data(END_STREAM, stream_id, b"", 0, 0)
