"""A connection that sends without pause shares the loop: what it sends beyond its turn waits for the next one."""

from __future__ import annotations

import asyncio
from typing import Any

import hpack
from peer import REQUEST, frames_of

from naiad.serving.worker import Worker
from naiad.testing import ManualClock
from naiad.wire.grpc.call import Call
from naiad.wire.grpc.http2.connection import GrpcConnection
from naiad.wire.grpc.http2.deadlines import Deadlines
from naiad.wire.grpc.http2.framing import codes
from naiad.wire.grpc.http2.framing.frames import frame
from naiad.wire.grpc.http2.framing.turn import TURN_S
from naiad.wire.grpc.http2.options import Http2Options
from naiad.wire.grpc.http2.rpc.messages import PREFIX
from naiad.wire.waiting import Account, Waiting


class Wire(asyncio.Transport):
    """Keeps what is written, and whether it is read from."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.reading = True
        self.unsent = 0
        self.aborted = False

    def write(self, data: Any) -> None:
        self.written += data

    def writelines(self, pieces: Any) -> None:
        self.written += b"".join(pieces)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.aborted = True


class Peer:
    """A connection with a servicer that takes half a turn for each message, and answers it."""

    def __init__(self, options: Http2Options | None = None, waiting: Waiting | None = None) -> None:
        self.clock = ManualClock()
        self.wire = Wire()
        self.messages: list[bytes] = []
        self.account = Account(waiting)
        self.ends = 0
        self.worker = Worker()
        deadlines = Deadlines(self.clock, lambda _, __: None)
        self.connection = GrpcConnection(
            self._serve, options or Http2Options(), set(), deadlines, self.clock, self.account, self.worker
        )
        self.connection.connection_made(self.wire)
        self.connection.data_received(codes.PREFACE + frame(codes.SETTINGS, 0, 0) + frame(codes.SETTINGS, codes.ACK, 0))
        self.encoder = hpack.Encoder()

    def _serve(self, call: Call) -> None:
        def on_message(message: bytes) -> None:
            self.clock.advance(TURN_S * 0.6)
            self.messages.append(message)
            call.send(message)

        def on_end() -> None:
            self.ends += 1
            call.finish()

        call.on_message, call.on_end = on_message, on_end

    def request(self, stream_id: int, *messages: bytes) -> bytes:
        data = b"".join(PREFIX.pack(0, len(one)) + one for one in messages)
        return frame(codes.HEADERS, 0x4, stream_id, self.encoder.encode(REQUEST)) + frame(
            codes.DATA, 1, stream_id, data
        )


async def test_requests_beyond_the_turn_wait_for_the_next_one_and_nothing_is_read_meanwhile() -> None:
    peer = Peer()
    peer.connection.data_received(b"".join(peer.request(2 * at + 1, b"%d" % at) for at in range(9)))
    assert peer.messages == [b"0", b"1"]
    assert not peer.wire.reading
    await asyncio.sleep(0)
    assert peer.messages == [b"0", b"1", b"2", b"3"]
    for _ in range(5):
        await asyncio.sleep(0)
    assert peer.messages == [b"%d" % at for at in range(9)]
    assert (peer.ends, peer.wire.reading) == (9, True)


async def test_messages_of_one_frame_take_turns_too() -> None:
    peer = Peer()
    peer.connection.data_received(peer.request(1, *(b"%d" % at for at in range(7))) + peer.request(3, b"x"))
    assert peer.messages == [b"0", b"1"]
    assert not peer.wire.reading
    for _ in range(8):
        await asyncio.sleep(0)
    assert peer.messages == [*(b"%d" % at for at in range(7)), b"x"]
    assert (peer.ends, peer.wire.reading) == (2, True)


async def test_what_comes_during_the_wait_keeps_its_order() -> None:
    peer = Peer()
    first = peer.request(1, *(b"%d" % at for at in range(5)))
    peer.connection.data_received(first)
    peer.connection.data_received(peer.request(3, b"5"))
    for _ in range(8):
        await asyncio.sleep(0)
    assert sorted(peer.messages) == [b"%d" % at for at in range(6)]
    assert [one for one in peer.messages if one != b"5"] == [b"%d" % at for at in range(5)]
    assert peer.ends == 2


async def test_a_client_that_does_not_read_waits_with_the_rest() -> None:
    peer = Peer()
    peer.connection.data_received(b"".join(peer.request(2 * at + 1, b"%d" % at) for at in range(5)))
    peer.connection.pause_writing()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert peer.messages == [b"0", b"1"]
    peer.connection.resume_writing()
    for _ in range(5):
        await asyncio.sleep(0)
    assert peer.messages == [b"0", b"1", b"2", b"3", b"4"]
    assert peer.wire.reading


async def test_a_call_that_is_cancelled_leaves_nothing_for_the_next_turn() -> None:
    peer = Peer()
    peer.connection.data_received(peer.request(1, b"0", b"1", b"2", b"3", b"4"))
    peer.connection.data_received(frame(codes.RST_STREAM, 0, 1, b"\0\0\0\x08"))
    for _ in range(4):
        await asyncio.sleep(0)
    assert peer.messages == [b"0", b"1"]
    assert (peer.wire.reading, peer.account.bytes) == (True, 0)


async def test_a_connection_that_is_lost_leaves_nothing_for_the_next_turn() -> None:
    peer = Peer()
    peer.connection.data_received(peer.request(1, b"0", b"1", b"2", b"3", b"4"))
    peer.connection.connection_lost(None)
    await asyncio.sleep(0)
    assert peer.messages == [b"0", b"1"]


LARGE = 9 * 2**20


async def test_a_large_answer_leaves_in_turns() -> None:
    """Cutting it into frames takes time as well, with the largest windows a client can open."""
    peer = Peer()
    window = b"\0\4" + (2**31 - 1).to_bytes(4, "big")
    peer.connection.data_received(frame(codes.SETTINGS, 0, 0, window))
    peer.connection.data_received(frame(codes.WINDOW_UPDATE, 0, 0, (2**30).to_bytes(4, "big")))
    peer.wire.written = b""
    data = PREFIX.pack(0, LARGE) + bytes(LARGE)
    size = 2**20
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    head = frame(codes.HEADERS, 0x4, 1, peer.encoder.encode(REQUEST))
    frames = [frame(codes.DATA, int(piece is pieces[-1]), 1, piece) for piece in pieces]
    peer.connection.data_received(head + b"".join(frames))
    await asyncio.wait_for(peer.worker.quiet(), 20)  # it is put together in a thread
    assert 2**20 < len(peer.wire.written) < LARGE
    for _ in range(6):
        await asyncio.sleep(0)
    body = b"".join(one.payload for one in frames_of(peer.wire.written) if one.kind == codes.DATA)
    assert len(body) == LARGE + len(PREFIX.pack(0, 0))
    assert (peer.ends, peer.account.bytes) == (1, 0)


async def test_a_client_that_never_reads_is_cut_off() -> None:
    peer = Peer(Http2Options(write_s=0.04))
    peer.connection.data_received(peer.request(1, b"x" * 100_000))  # its window is 65,535 bytes
    peer.wire.written = b""
    assert peer.account.bytes > 0
    for _ in range(20):
        await asyncio.sleep(0.01)
        peer.clock.advance(0.01)
        if peer.wire.aborted:
            break
    assert peer.wire.aborted
    peer.connection.connection_lost(None)
    assert peer.account.bytes == 0


async def test_a_client_that_reads_slowly_is_kept() -> None:
    peer = Peer(Http2Options(write_s=0.05))
    peer.connection.data_received(peer.request(1, b"x" * 100_000))
    for _ in range(20):
        await asyncio.sleep(0.01)
        peer.clock.advance(0.01)
        peer.connection.data_received(
            frame(codes.WINDOW_UPDATE, 0, 0, b"\0\0\0\1") + frame(codes.WINDOW_UPDATE, 0, 1, b"\0\0\0\1")
        )
    assert not peer.wire.aborted


async def test_answers_that_a_client_does_not_read_are_counted_with_its_requests() -> None:
    waiting = Waiting(300_000, 150_000)
    peer = Peer(waiting=waiting)
    peer.connection.data_received(peer.request(1, b"x" * 140_000))
    held = peer.account.bytes
    assert 70_000 < held == waiting.bytes
    peer.wire.unsent = 90_000
    peer.connection.pause_writing()
    assert peer.account.bytes == held + 90_000
    assert peer.account.is_over
    peer.wire.unsent = 0
    peer.connection.resume_writing()
    assert peer.account.bytes == held
