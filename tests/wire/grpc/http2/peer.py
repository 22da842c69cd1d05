"""Both sides of a connection in memory: ours, and a client made of frames or of the h2 library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import hpack

from naiad.testing import ManualClock
from naiad.wire.grpc.http2.framing import codes
from naiad.wire.grpc.http2.framing.codes import ErrorCode
from naiad.wire.grpc.http2.framing.connection import Http2Connection
from naiad.wire.grpc.http2.framing.frames import HEAD, HEAD_BYTES, frame
from naiad.wire.grpc.http2.framing.heads import Fields
from naiad.wire.grpc.http2.framing.settings import Http2Limits
from naiad.wire.grpc.http2.framing.streams import Stream

REQUEST = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/s/m"),
    (b":authority", b"here"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
]


@dataclass(frozen=True)
class PlainHead:
    """A head that keeps the fields."""

    fields: tuple[tuple[bytes, bytes], ...]

    @property
    def content_bytes(self) -> int:
        return int(dict(self.fields).get(b"content-length", -1))


def plain_head(fields: Fields) -> PlainHead:
    return PlainHead(tuple((bytes(name), bytes(value)) for name, value in fields))


class Taken:
    """A request as the application has it."""

    def __init__(self, stream: Stream, head: PlainHead, ends: bool) -> None:
        self.stream = stream
        self.head = head
        self.body = b""
        self.has_ended = ends
        self.is_reset = False
        stream.receiver = self

    def on_data(self, buffer: bytes, start: int, end: int, ends: bool) -> None:
        assert not self.has_ended
        assert not self.is_reset
        self.body += buffer[start:end]
        self.has_ended = ends

    def on_reset(self) -> None:
        assert not self.is_reset
        self.is_reset = True


@dataclass(frozen=True)
class Frame:
    """One frame that we sent."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes

    @property
    def error(self) -> ErrorCode:
        """Of RST_STREAM or GOAWAY."""
        at = 4 if self.kind == codes.GOAWAY else 0
        return ErrorCode(int.from_bytes(self.payload[at : at + 4], "big"))

    @property
    def number(self) -> int:
        """Of WINDOW_UPDATE; the last stream of GOAWAY."""
        return int.from_bytes(self.payload[:4], "big")


def frames_of(data: bytes) -> list[Frame]:
    found, at = [], 0
    while at < len(data):
        high, low, kind, flags, stream_id = HEAD.unpack_from(data, at)
        end = at + HEAD_BYTES + (high << 16 | low)
        found.append(Frame(kind, flags, stream_id, data[at + HEAD_BYTES : end]))
        at = end
    return found


@dataclass
class Side:
    """Our side, and what became of the requests."""

    limits: Http2Limits = field(default_factory=Http2Limits)

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.taken: list[Taken] = []
        self.refused: list[str] = []
        self.wakes = 0
        self.connection: Http2Connection[PlainHead] = Http2Connection(
            self.limits, plain_head, self._accept, self._refuse, self._wake, self.clock
        )
        self.encoder = hpack.Encoder()

    def _accept(self, stream: Stream, head: PlainHead, ends: bool) -> None:
        self.taken.append(Taken(stream, head, ends))

    def _refuse(self, stream: Stream, reason: str) -> None:
        self.refused.append(reason)
        stream.send_headers(b"\x88", ends=True)

    def _wake(self) -> None:
        self.wakes += 1

    def output(self) -> bytes:
        return b"".join(self.connection.sender.take())

    def sent(self) -> list[Frame]:
        return frames_of(self.output())

    def begin(self, settings: bytes = b"") -> None:
        """Greet each other; what we said is thrown away."""
        self.connection.greet()
        self.connection.receive(codes.PREFACE + frame(codes.SETTINGS, 0, 0, settings))
        self.connection.receive(frame(codes.SETTINGS, codes.ACK, 0))
        self.output()

    def receive(self, *frames: bytes) -> None:
        self.connection.receive(b"".join(frames))

    def headers(self, stream_id: int, fields: Sequence[tuple[bytes, bytes]] = REQUEST, flags: int = 0x4) -> bytes:
        return frame(codes.HEADERS, flags, stream_id, self.encoder.encode(fields))

    def request(self, stream_id: int, body: bytes = b"", ends: bool = True) -> Taken:
        """Receive a request."""
        self.receive(self.headers(stream_id), frame(codes.DATA, int(ends), stream_id, body))
        return self.taken[-1]


class H2Client:
    """The h2 library as a client, fed with what we send."""

    def __init__(self) -> None:
        # Ours sends no more than needed; h2 checks all of it.
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
        self.h2.initiate_connection()
        self.events: list[h2.events.Event] = []

    def exchange(self, side: Side, cuts: Sequence[int] = ()) -> None:
        """Carry bytes both ways until nobody has anything to say; cuts: sizes of our reads, repeated."""
        sizes = list(cuts) or [1 << 20]
        turn = 0
        while (data := self.h2.data_to_send()) or side.connection.sender.output:
            while data:
                size = sizes[turn % len(sizes)]
                turn += 1
                side.connection.receive(data[:size])
                data = data[size:]
            if answer := side.output():
                self.events += self.h2.receive_data(answer)
