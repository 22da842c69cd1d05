"""One gRPC call on one HTTP/2 stream: `Call` to the servicer, `Receiver` to the stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from naiad.wire.grpc.call import GONE
from naiad.wire.grpc.compression import choose_encoding, compress
from naiad.wire.grpc.http2.framing.streams import Stream
from naiad.wire.grpc.http2.rpc.answers import OK_TRAILERS, RESPONSES, trailers, trailers_only
from naiad.wire.grpc.http2.rpc.head import RpcHead
from naiad.wire.grpc.http2.rpc.messages import (
    PREFIX,
    PREFIX_BYTES,
    Gathering,
    MessageFault,
    MessageReader,
    check_length,
)

_JOINED_BYTES = 8 * 1024
"""Up to here a message and its prefix are one piece; a longer one is not copied."""


class RpcCall:
    """See `naiad.wire.grpc.call.Call`."""

    __slots__ = (
        "_encoding",
        "_gathering",
        "_has_headers",
        "_head",
        "_is_over",
        "_most_bytes",
        "_reader",
        "_stream",
        "bucket",
        "deadline_s",
        "metadata",
        "method",
        "on_cancel",
        "on_end",
        "on_message",
    )

    def __init__(
        self, stream: Stream, head: RpcHead, deadline_s: float | None, most_bytes: int, gathering: Gathering
    ) -> None:
        """most_bytes: of a message."""
        self.method: str = head.method
        self.metadata: Mapping[str, str] = head.metadata
        self.deadline_s = deadline_s
        self.bucket: dict[Any, None] | None = None
        """Where `Deadlines` keeps the call while it watches it."""
        self.on_message: Callable[[bytes], None] | None = None
        self.on_end: Callable[[], None] | None = None
        self.on_cancel: Callable[[], None] | None = None
        self._stream = stream
        self._head = head
        self._most_bytes = most_bytes
        self._gathering = gathering
        self._reader: MessageReader | None = None
        """Made when a message comes in pieces, or compressed."""
        self._encoding = ""
        """Compression of answers."""
        self._has_headers = False
        self._is_over = False

    # Call

    @property
    def begun_s(self) -> float:
        """See `Call`."""
        return 0.0 if self._reader is None else self._reader.begun_s

    def compress(self, level: str) -> None:
        """See `Call`."""
        self._encoding = choose_encoding(level, self.metadata.get("grpc-accept-encoding", ""))

    def send(self, message: bytes) -> None:
        """Send one message."""
        if self._is_over:
            return
        stream = self._stream
        flag = 0
        if self._encoding:
            plain, message = message, compress(message, self._encoding)
            flag = int(message is not plain)
        prefix, is_short = PREFIX.pack(flag, len(message)), len(message) <= _JOINED_BYTES
        if not self._has_headers:
            self._has_headers = True
            if is_short:
                stream.send_opening(RESPONSES[self._encoding], prefix + message)
                return
            stream.send_headers(RESPONSES[self._encoding])
        if is_short:
            stream.send_data(prefix + message)
        else:
            stream.send_data(prefix)
            stream.send_data(message)

    def answer(self, message: bytes) -> None:
        """Send the one message of an answer and end the call well: nearly every answer, in one piece."""
        if self._is_over or self._has_headers or self._encoding or len(message) > _JOINED_BYTES:
            self.send(message)
            self.finish()
            return
        self._close()
        stream = self._stream
        data = PREFIX.pack(0, len(message)) + message
        stream.sender.send_opening(stream, RESPONSES[""], data, OK_TRAILERS)

    def finish(self, status: str = "OK", message: str = "") -> None:
        """End the call."""
        if self._is_over:
            return
        self._close()
        block = trailers(status, message) if self._has_headers else trailers_only(status, message)
        self._stream.send_headers(block, ends=True)

    # Receiver

    def on_data(self, buffer: bytes, start: int, end: int, ends: bool) -> None:
        """Take data of the request."""
        if self._is_over:
            return
        try:
            if self._reader is None and end - start >= PREFIX_BYTES:
                flag, length = PREFIX.unpack_from(buffer, start)
                if not flag and start + PREFIX_BYTES + length == end:
                    if length > self._most_bytes:
                        check_length(length, self._most_bytes)
                    if self.on_message is not None:
                        self.on_message(buffer[start + PREFIX_BYTES : end])
                    start = end
            if start < end:
                self._gather(buffer, start, end)
        except MessageFault as fault:
            self._abort(fault.status, fault.message)
        if ends and self._reader is not None and not self._reader.is_between:
            self._abort("INTERNAL", "the request ends in the middle of a message")
        if ends and not self._is_over and self.on_end is not None:
            self.on_end()

    def on_reset(self) -> None:
        """Withdraw the call: the client or the connection is gone."""
        if not self._is_over:
            self._close()
            if self.on_cancel is not None:
                self.on_cancel()

    def on_stop(self) -> None:
        """End the call because its client has not asked to the end, and every request has been answered."""
        self._abort("UNAVAILABLE", GONE)

    def expire(self) -> None:
        """End the call because its time is over."""
        self._abort("DEADLINE_EXCEEDED", "Deadline Exceeded")

    def _abort(self, status: str, message: str) -> None:
        """End the call from this side; the servicer is told as if the client had gone."""
        if self._is_over:
            return
        self.finish(status, message)
        if self.on_cancel is not None:
            self.on_cancel()

    def _gather(self, buffer: bytes, start: int, end: int) -> None:
        if self._reader is None:
            self._reader = MessageReader(self._most_bytes, self._head.wbits, self._gathering)
        for message in self._reader.feed(buffer, start, end):
            if self.on_message is not None:
                self.on_message(message)
            if self._is_over:
                return

    def _close(self) -> None:
        """End, and let go of whoever refers back here, so that nothing is left for the garbage collector."""
        self._is_over = True
        self.on_message = self.on_end = self._stream.receiver = None
        if self._reader is not None:
            self._reader.drop()
        if self.bucket is not None:
            self.bucket.pop(self, None)
