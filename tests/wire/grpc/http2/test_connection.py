"""One connection, with a transport made of a list: what is written when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import hpack
from peer import REQUEST, frames_of

from naiad.testing import ManualClock
from naiad.wire.grpc.call import Call
from naiad.wire.grpc.http2.connection import GrpcConnection
from naiad.wire.grpc.http2.deadlines import Deadlines
from naiad.wire.grpc.http2.framing import codes
from naiad.wire.grpc.http2.framing.codes import ErrorCode
from naiad.wire.grpc.http2.framing.frames import frame, ping, reset
from naiad.wire.grpc.http2.options import Http2Options
from naiad.wire.grpc.http2.rpc.messages import PREFIX


class Wire(asyncio.Transport):
    """Keeps what is written, a piece for each call."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[list[bytes]] = []
        self.is_reading = True
        self.closed = ""
        self.aborted = asyncio.Event()

    def write(self, data: Any) -> None:
        self.written.append([bytes(data)])

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.written.append([bytes(data) for data in list_of_data])

    def close(self) -> None:
        self.closed = self.closed or "closed"

    def abort(self) -> None:
        self.closed = "aborted"
        self.aborted.set()

    def is_closing(self) -> bool:
        return bool(self.closed)

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def take(self) -> list[list[bytes]]:
        written, self.written = self.written, []
        return written


class Door:
    """A connection that has been greeted, and the calls that came through it."""

    def __init__(self, serve: Callable[[Call], None] | None = None, **options: Any) -> None:
        self.calls: list[Call] = []
        self.clock = ManualClock()
        loop = asyncio.get_running_loop()
        deadlines = Deadlines(self.clock, loop.call_later)
        self.wire = Wire()
        take = serve or self.calls.append
        self.connection = GrpcConnection(take, Http2Options(**options), set(), deadlines, self.clock)
        self.connection.connection_made(self.wire)
        self.receive(codes.PREFACE, frame(codes.SETTINGS, 0, 0), frame(codes.SETTINGS, codes.ACK, 0))
        self.encoder = hpack.Encoder()
        self.wire.take()

    def receive(self, *frames: bytes) -> None:
        self.connection.data_received(b"".join(frames))

    def request(self, stream_id: int, message: bytes = b"x", *extra: tuple[bytes, bytes]) -> bytes:
        block = self.encoder.encode([*REQUEST, *extra])
        body = PREFIX.pack(0, len(message)) + message
        return frame(codes.HEADERS, 4, stream_id, block) + frame(codes.DATA, 1, stream_id, body)


def answer(call: Call) -> None:
    def on_message(message: bytes) -> None:
        call.send(message)
        call.finish()

    call.on_message = on_message


async def test_answers_to_what_was_read_at_once_are_written_at_once() -> None:
    door = Door(answer)
    door.receive(*(door.request(stream_id) for stream_id in (1, 3, 5)))
    (written,) = door.wire.take()
    assert [one.stream_id for one in frames_of(written[0])] == [1, 1, 1, 3, 3, 3, 5, 5, 5]


async def test_answers_of_one_turn_of_the_loop_are_written_in_one_call() -> None:
    door = Door()
    door.receive(*(door.request(stream_id) for stream_id in (1, 3, 5)))
    assert door.wire.take() == []
    for call in door.calls:
        call.send(b"late")
        call.finish()
    assert door.wire.take() == []
    await asyncio.sleep(0)
    (written,) = door.wire.take()
    assert [one.stream_id for one in frames_of(written[0])] == [1, 1, 1, 3, 3, 3, 5, 5, 5]


async def test_large_answers_are_not_joined() -> None:
    """The pieces between the heads of frames are views of the message."""
    door = Door(answer)
    door.receive(door.request(1, b"x" * 32_768))
    (written,) = door.wire.take()
    assert [len(piece) for piece in written if len(piece) > 100] == [16_384, 16_384]


async def test_a_client_that_does_not_read_is_not_read() -> None:
    door = Door(answer)
    door.connection.pause_writing()
    assert not door.wire.is_reading
    door.receive(door.request(1))
    assert codes.DATA not in [one.kind for written in door.wire.take() for one in frames_of(written[0])]
    door.connection.resume_writing()
    await asyncio.sleep(0)
    assert door.wire.is_reading
    (written,) = door.wire.take()
    assert [one.kind for one in frames_of(written[0])] == [codes.DATA, codes.HEADERS]


async def test_what_comes_after_the_end_of_a_call_is_ignored() -> None:
    door = Door()
    cancelled: list[int] = []
    door.receive(door.request(1), door.request(3))
    for call in door.calls:
        call.on_cancel = lambda: cancelled.append(1)
    done, withdrawn = door.calls
    done.finish()
    done.finish("INTERNAL", "again")
    done.send(b"late")
    door.receive(reset(1, ErrorCode.CANCEL), reset(3, ErrorCode.CANCEL), reset(3, ErrorCode.CANCEL))
    withdrawn.send(b"late")
    withdrawn.finish()
    await asyncio.sleep(0)
    frames = [one for written in door.wire.take() for one in frames_of(written[0])]
    assert ([(one.kind, one.stream_id) for one in frames], cancelled) == ([(codes.HEADERS, 1)], [1])


async def test_a_deadline_that_is_over_is_answered_without_serving() -> None:
    door = Door()
    door.receive(door.request(1, b"x", (b"grpc-timeout", b"0n")))
    (written,) = door.wire.take()
    assert (hpack.Decoder().decode(frames_of(written[0])[0].payload)[2], door.calls) == (("grpc-status", "4"), [])


async def test_what_is_not_grpc_is_refused_without_serving() -> None:
    door = Door()
    block = hpack.Encoder().encode([*REQUEST[:-1], (b"content-type", b"text/html")])
    door.receive(frame(codes.HEADERS, 5, 1, block))
    (written,) = door.wire.take()
    assert (hpack.Decoder().decode(frames_of(written[0])[0].payload), door.calls) == ([(":status", "415")], [])


async def test_a_lost_connection_withdraws_its_calls_once() -> None:
    door = Door()
    cancelled: list[str] = []
    door.receive(door.request(1))
    door.calls[0].on_cancel = lambda: cancelled.append("now")
    door.connection.connection_lost(None)
    door.calls[0].send(b"late")
    door.calls[0].finish()
    assert (cancelled, door.connection.lost.is_set(), door.wire.take()) == (["now"], True, [])


async def test_a_client_that_does_not_read_our_goodbye_is_cut_off() -> None:
    door = Door(keepalive_timeout_s=0.0)
    door.receive(ping(b"short"))
    assert door.wire.closed == "closed"
    await asyncio.wait_for(door.wire.aborted.wait(), 30)
