"""One gRPC call on one HTTP/2 stream: `Call` to the servicer, `Receiver` to the stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from naiad.core.errors import NaiadError
from naiad.serving.worker import Work, Worker
from naiad.wire.grpc.call import GONE
from naiad.wire.grpc.compression import Packed, choose_encoding, compress, pack
from naiad.wire.grpc.http2.framing.streams import Stream
from naiad.wire.grpc.http2.framing.turn import Turn
from naiad.wire.grpc.http2.rpc.answers import OK_TRAILERS, RESPONSES, metadata_block, trailers, trailers_only
from naiad.wire.grpc.http2.rpc.head import RpcHead
from naiad.wire.grpc.http2.rpc.messages import (
    PREFIX,
    PREFIX_BYTES,
    LongMessage,
    MessageFault,
    MessageReader,
    check_length,
)
from naiad.wire.waiting import Account

_JOINED_BYTES = 8 * 1024
"""Up to here a message and its prefix are one piece; a longer one is not copied."""


class CallShare(NamedTuple):
    """What the calls of one connection have in common."""

    account: Account
    """What waits for the connection."""
    turn: Turn
    worker: Worker


class RpcCall:
    """See `naiad.wire.grpc.call.Call`."""

    __slots__ = (
        "_has_ended",
        "_has_headers",
        "_head",
        "_is_over",
        "_later",
        "_messages",
        "_most_bytes",
        "_reader",
        "_share",
        "_stream",
        "_work",
        "account",
        "bucket",
        "deadline_s",
        "encoding",
        "metadata",
        "method",
        "on_cancel",
        "on_end",
        "on_message",
        "trailing",
    )

    def __init__(
        self, stream: Stream, head: RpcHead, deadline_s: float | None, most_bytes: int, share: CallShare
    ) -> None:
        """most_bytes: of a message. share: what the calls of the connection have in common."""
        self.method: str = head.method
        self.metadata: Mapping[str, str] = head.metadata
        self.deadline_s = deadline_s
        self.bucket: dict[Any, None] | None = None
        """Where `Deadlines` keeps the call while it watches it."""
        self.on_message: Callable[[bytes], None] | None = None
        self.on_end: Callable[[], None] | None = None
        self.on_cancel: Callable[[], None] | None = None
        self.trailing: Callable[[], Mapping[str, bytes]] | None = None
        self._stream = stream
        self._head = head
        self._most_bytes = most_bytes
        self.account = share.account
        self._share = share
        self._reader: MessageReader | None = None
        """Made when a message comes in pieces, or compressed."""
        self.encoding = ""
        self._messages: Iterator[bytes | LongMessage] | None = None
        """Messages that have come and are not handed over yet; `_later` has what came behind them."""
        self._later: deque[memoryview] | None = None
        self._work: Work | None = None
        """A message is being inflated in a thread."""
        self._has_ended = False
        """And nothing will follow them."""
        self._has_headers = False
        self._is_over = False

    # Call

    @property
    def begun_s(self) -> float:
        """See `Call`."""
        return 0.0 if self._reader is None else self._reader.begun_s

    def compress(self, level: str) -> None:
        """See `Call`."""
        self.encoding = choose_encoding(level, self.metadata.get("grpc-accept-encoding", ""))

    def pack(self, message: bytes) -> Packed:
        """See `Call`."""
        return pack(message, self.encoding)

    def send(self, message: bytes | Packed) -> None:
        """Send one message."""
        if self._is_over:
            return
        stream = self._stream
        flag = 0
        if isinstance(message, Packed):
            flag, message = int(message.is_compressed), message.data
        elif self.encoding:
            plain, message = message, compress(message, self.encoding)
            flag = int(message is not plain)
        prefix, is_short = PREFIX.pack(flag, len(message)), len(message) <= _JOINED_BYTES
        if not self._has_headers:
            self._has_headers = True
            if is_short:
                stream.send_opening(RESPONSES[self.encoding], prefix + message)
                return
            stream.send_headers(RESPONSES[self.encoding])
        if is_short:
            stream.send_data(prefix + message)
        else:
            stream.send_data(prefix)
            stream.send_data(message)

    def answer(self, message: bytes | Packed) -> None:
        """Send the one message of an answer and end the call well: nearly every answer, in one piece."""
        if (
            self._is_over
            or self._has_headers
            or self.encoding
            or self.trailing is not None
            or isinstance(message, Packed)
            or len(message) > _JOINED_BYTES
        ):
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
        if self.trailing is not None:
            block += metadata_block(self.trailing())
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
        if ends and self._reader is not None:
            self._end()
        elif ends and not self._is_over and self.on_end is not None:
            self.on_end()

    def go_on(self) -> None:
        """Handle the messages that were left of the turn before."""
        if self._is_over:
            return
        try:
            self._handle()
        except MessageFault as fault:
            self._abort(fault.status, fault.message)
        if self._has_ended:
            self._end()

    def _end(self) -> None:
        """Take the end of the request, behind all messages."""
        if self._messages is not None:
            self._has_ended = True
            return
        assert self._reader is not None, "called only where messages come in pieces"
        if not self._reader.is_between:
            self._abort("INTERNAL", "the request ends in the middle of a message")
        if not self._is_over and self.on_end is not None:
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
            self._reader = MessageReader(self._most_bytes, self._head.wbits, self.account)
        if self._messages is None:
            self._messages = self._reader.feed(buffer, start, end)
            self._handle()
            return
        self._later = self._later or deque()
        self._later.append(memoryview(buffer)[start:end])
        self.account.take(end - start)
        if self.account.is_over:
            raise MessageFault("RESOURCE_EXHAUSTED", self.account.reason)

    def _handle(self) -> None:
        """Hand messages over until there are no more, the turn is over or one takes long. Raises MessageFault."""
        turn, has_handled = self._share.turn, False
        while self._messages is not None:
            for message in self._messages:
                if has_handled and turn.now() > turn.until_s:
                    self._messages = chain([message], self._messages)
                    turn.leave(self)
                    return
                has_handled = True
                if isinstance(message, LongMessage):
                    self._work = self._share.worker.submit(message.size, partial(_read, message), self._take_long)
                    return
                if self.on_message is not None:
                    self.on_message(message)
                if self._is_over:
                    return
            self._messages = self._next_messages()

    def _next_messages(self) -> Iterator[bytes | LongMessage] | None:
        if not self._later or self._reader is None:
            return None
        data = self._later.popleft()
        self.account.take(-len(data))
        return self._reader.feed(data, 0, len(data))

    def _take_long(self, message: bytes | MessageFault | NaiadError) -> None:
        """Hand over a message that was inflated in a thread, and go on."""
        self._work = None
        if isinstance(message, MessageFault):
            self._abort(message.status, message.message)
        elif isinstance(message, NaiadError):
            self._abort("INTERNAL", message.message)
        else:
            self._share.turn.extend()
            if self.on_message is not None:
                self.on_message(message)
            self.go_on()

    def _close(self) -> None:
        """End, and let go of whoever refers back here, so that nothing is left for the garbage collector."""
        self._is_over = True
        self.on_message = self.on_end = self._stream.receiver = None
        if self._reader is not None:  # else all of it came in one piece
            self._messages = None
            while self._later:
                self.account.take(-len(self._later.popleft()))
            if self._work is not None:
                self._work.cancel()
            self._reader.drop()
        if self.bucket is not None:
            self.bucket.pop(self, None)


def _read(message: LongMessage) -> bytes | MessageFault:
    try:
        return message.read()
    except MessageFault as fault:
        return fault.with_traceback(None)
