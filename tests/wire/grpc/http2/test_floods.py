"""Frames that cost more than they are worth: a flood of each ends the connection, normal use does not."""

from __future__ import annotations

import pytest
from peer import REQUEST, Side

from naiad.wire.grpc.http2.framing import codes
from naiad.wire.grpc.http2.framing.codes import ErrorCode
from naiad.wire.grpc.http2.framing.floods import BUDGETS
from naiad.wire.grpc.http2.framing.frames import frame, ping, reset, settings_frame, window_update
from naiad.wire.grpc.http2.framing.settings import Http2Limits

FLOODS = {
    "PING": lambda side, turn: ping(b"12345678"),
    "SETTINGS": lambda side, turn: settings_frame([]),
    "WINDOW_UPDATE": lambda side, turn: window_update(0, 1),
    "empty DATA": lambda side, turn: frame(codes.DATA, 0, 1),
    "PRIORITY or unknown": lambda side, turn: frame((codes.PRIORITY, 99)[turn % 2], 0, 1, b"12345"),
    "RST_STREAM": lambda side, turn: side.headers(3 + 2 * turn) + reset(3 + 2 * turn, ErrorCode.CANCEL),
    "stream errors": lambda side, turn: side.headers(3 + 2 * turn) + frame(codes.HEADERS, 4, 3 + 2 * turn),
}


def begun() -> Side:
    side = Side(Http2Limits(ping_strikes=0))  # which are tested with the rules of PING
    side.begin()
    side.request(1, ends=False)
    return side


def frames_until_the_end(side: Side, kind: str, most: int, first: int = 0) -> int:
    """How many frames of a flood are taken."""
    for turn in range(first, first + most):
        side.receive(FLOODS[kind](side, turn))
        if side.connection.is_done:
            return turn
    return most


def test_every_budget_has_its_flood() -> None:
    assert FLOODS.keys() == BUDGETS.keys()


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_ends_the_connection(kind: str) -> None:
    side = begun()
    taken = frames_until_the_end(side, kind, 3000)
    goodbye = side.sent()[-1]
    assert (goodbye.kind, goodbye.error) == (codes.GOAWAY, ErrorCode.ENHANCE_YOUR_CALM)
    assert f"too many {kind}".encode() in goodbye.payload
    assert abs(taken - BUDGETS[kind].burst) <= 2


@pytest.mark.parametrize("kind", FLOODS)
def test_time_refills_a_budget(kind: str) -> None:
    side = begun()
    burst = BUDGETS[kind].burst
    for turn in range(3):
        frames_until_the_end(side, kind, burst - 5, turn * burst)
        assert not side.connection.is_done
        side.clock.advance(burst / BUDGETS[kind].per_s)


def test_a_busy_client_may_ping_and_update_for_each_message() -> None:
    """gRPC's C core measures its bandwidth by a PING for each answer it reads."""
    side = begun()
    for turn in range(3000):
        request = side.request(3 + 2 * turn, b"question")
        side.receive(ping(b"12345678"), window_update(0, 6), window_update(0, 6))
        request.stream.send_headers(b"\x88")
        request.stream.send_data(b"answer")
        request.stream.send_headers(b"\x88", ends=True)
        side.output()
    assert not side.connection.is_done


def test_a_client_that_cancels_half_of_its_calls_lives_on() -> None:
    side = begun()
    for turn in range(3000):
        done, cancelled = 3 + 4 * turn, 5 + 4 * turn
        side.request(done).stream.send_headers(b"\x88", ends=True)
        side.request(cancelled)
        side.receive(reset(cancelled, ErrorCode.CANCEL))
        side.output()
    assert not side.connection.is_done


def test_empty_continuations_are_counted() -> None:
    side = begun()
    side.receive(frame(codes.HEADERS, 0, 3, b""))
    for _ in range(64):
        side.receive(frame(codes.CONTINUATION, 0, 3, b""))
    assert side.sent()[-1].error == ErrorCode.ENHANCE_YOUR_CALM


def test_an_endless_header_block_is_cut_off() -> None:
    side = begun()
    side.receive(frame(codes.HEADERS, 0, 3, b"\0" * 200_000))
    assert not side.connection.is_done
    side.receive(frame(codes.CONTINUATION, 0, 3, b"\0" * 200_000))
    assert side.sent()[-1].error == ErrorCode.ENHANCE_YOUR_CALM


def test_a_header_bomb_is_not_unpacked() -> None:
    side = begun()
    block = side.encoder.encode([*REQUEST, (b"b", b"v" * 3000)])
    side.receive(frame(codes.HEADERS, 5, 3, block + b"\xbe" * 10_000))
    assert side.sent()[-1].error == ErrorCode.ENHANCE_YOUR_CALM
