"""Flow control both ways (RFC 9113, section 5.2), with the h2 library on the other side."""

from __future__ import annotations

import struct

import h2.config
import h2.events
import pytest
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st
from peer import REQUEST, H2Client, Side

from naiad.wire.grpc.http2.framing import codes
from naiad.wire.grpc.http2.framing.codes import ErrorCode
from naiad.wire.grpc.http2.framing.frames import frame, window_update
from naiad.wire.grpc.http2.framing.settings import Http2Limits

TINY = Http2Limits(stream_window_bytes=100, connection_window_bytes=70_000)


def greeted(side: Side, **settings: int) -> H2Client:
    client = H2Client()
    if settings:
        client.h2.update_settings({SettingCodes[name]: value for name, value in settings.items()})
    side.connection.greet()
    client.exchange(side)
    return client


def bodies(client: H2Client) -> dict[int, bytes]:
    """What the client has received on each stream that has ended."""
    found: dict[int, bytes] = {}
    ended = set()
    for event in client.events:
        if isinstance(event, h2.events.DataReceived):
            found[event.stream_id] = found.get(event.stream_id, b"") + event.data
        elif isinstance(event, h2.events.StreamEnded):
            ended.add(event.stream_id)
    return {stream_id: body for stream_id, body in found.items() if stream_id in ended}


@given(
    answers=st.lists(st.lists(st.binary(min_size=1, max_size=400), min_size=1, max_size=4), min_size=1, max_size=5),
    window=st.integers(0, 300),
    steps=st.lists(st.integers(1, 200), min_size=1, max_size=5),
    cuts=st.lists(st.integers(1, 50), min_size=1, max_size=5),
)
def test_answers_wait_for_windows_and_arrive_whole(
    answers: list[list[bytes]], window: int, steps: list[int], cuts: list[int]
) -> None:
    """h2 raises if we send more than it allowed."""
    side = Side()
    client = greeted(side, INITIAL_WINDOW_SIZE=window)
    for index in range(len(answers)):
        client.h2.send_headers(1 + 2 * index, REQUEST, end_stream=True)
    client.exchange(side, cuts)
    for taken, parts in zip(side.taken, answers, strict=True):
        taken.stream.send_headers(b"\x88")
        for part in parts:
            taken.stream.send_data(part)
        taken.stream.send_headers(b"\x00\x01a\x011", ends=True)
    client.exchange(side, cuts)
    turn = 0
    while len(bodies(client)) < len(answers):
        for stream_id in set(side.connection.streams):
            client.h2.increment_flow_control_window(steps[turn % len(steps)], stream_id)
            turn += 1
        client.exchange(side, cuts)
    assert list(bodies(client).values()) == [b"".join(parts) for parts in answers]
    assert side.connection.streams == {}


def test_the_window_of_the_connection_is_shared_in_turns() -> None:
    side = Side()
    side.begin()
    requests = [side.request(stream_id) for stream_id in (1, 3, 5)]
    for request in requests:
        request.stream.send_data(b"x" * 60_000)
    sent = side.sent()
    assert sum(len(one.payload) for one in sent) == codes.DEFAULT_WINDOW
    side.receive(window_update(0, 40_000))
    later = side.sent()
    assert {one.stream_id for one in later} == {3, 5}
    assert sum(len(one.payload) for one in later) == 40_000


def test_a_smaller_initial_window_applies_to_open_streams_and_may_be_negative() -> None:
    """Section 6.9.2's own example: 65,535, then 60 KiB sent, then 16 KiB announced: 44 KiB too many."""
    side = Side()
    side.begin()
    stream = side.request(1).stream
    stream.send_data(b"x" * 60 * 1024)
    side.receive(frame(codes.SETTINGS, 0, 0, b"\0\4\0\0\x40\0"))
    assert stream.send_window == 16 * 1024 - 60 * 1024
    stream.send_data(b"y")
    side.output()
    side.receive(window_update(1, 44 * 1024))
    assert side.sent() == []
    side.receive(window_update(1, 1))
    assert [one.payload for one in side.sent()] == [b"y"]


def test_frames_are_cut_to_the_client_s_maximum() -> None:
    side = Side()
    side.begin(b"\0\4\0\1\0\0" + b"\0\5\0\0\x60\0")  # window 65,536; frames of 24,576
    stream = side.request(1).stream
    stream.send_data(b"x" * 60_000)
    assert [len(one.payload) for one in side.sent()] == [24_576, 24_576, 10_848]


def test_trailers_wait_behind_data() -> None:
    side = Side()
    side.begin(b"\0\4\0\0\0\3")
    stream = side.request(1).stream
    stream.send_headers(b"\x88")
    stream.send_data(b"abcde")
    stream.send_headers(b"\x88", ends=True)
    assert [(one.kind, one.payload) for one in side.sent()] == [(codes.HEADERS, b"\x88"), (codes.DATA, b"abc")]
    side.receive(window_update(1, 9))
    assert [(one.kind, one.flags, one.payload) for one in side.sent()] == [
        (codes.DATA, 0, b"de"),
        (codes.HEADERS, codes.END_STREAM | codes.END_HEADERS, b"\x88"),
    ]


def test_a_client_that_does_not_read_holds_data_back() -> None:
    side = Side()
    side.begin()
    stream = side.request(1).stream
    side.connection.sender.is_held = True
    stream.send_data(b"abc")
    assert side.sent() == []
    side.connection.sender.is_held = False
    side.connection.sender.pump()
    assert [one.payload for one in side.sent()] == [b"abc"]


def test_what_waits_for_a_slow_client_is_bounded() -> None:
    side = Side(Http2Limits(unsent_bytes=1000))
    side.begin(b"\0\4\0\0\0\0")
    request = side.request(1)
    request.stream.send_data(b"x" * 5000)  # one answer may be as long as it is
    assert not request.is_reset
    request.stream.send_data(b"y")
    assert request.is_reset
    assert [(one.kind, one.error) for one in side.sent()] == [(codes.RST_STREAM, ErrorCode.ENHANCE_YOUR_CALM)]
    assert side.request(3, b"next").body == b"next"


def test_our_windows_are_refilled_when_half_is_used() -> None:
    side = Side(TINY)
    side.begin()
    side.request(1, ends=False)
    side.receive(frame(codes.DATA, 0, 1, b"x" * 50))
    assert side.sent() == []
    side.receive(frame(codes.DATA, 0, 1, b"x"))
    assert [(one.stream_id, one.number) for one in side.sent()] == [(1, 51)]


def test_the_window_of_an_ended_stream_is_not_refilled() -> None:
    side = Side(TINY)
    side.begin()
    side.request(1, b"x" * 100)
    assert side.sent() == []


def test_padding_counts() -> None:
    side = Side(TINY)
    side.begin()
    side.request(1, ends=False)
    side.receive(frame(codes.DATA, codes.PADDED, 1, b"\x40x" + bytes(64)))
    assert [one.number for one in side.sent()] == [66]


def test_data_past_the_window_of_a_stream_ends_the_stream() -> None:
    side = Side(TINY)
    side.begin()
    request = side.request(1, ends=False)
    side.receive(frame(codes.DATA, 0, 1, b"x" * 101))
    assert [(one.kind, one.error) for one in side.sent()] == [(codes.RST_STREAM, ErrorCode.FLOW_CONTROL_ERROR)]
    assert request.is_reset


def test_data_past_the_window_of_the_connection_ends_it() -> None:
    side = Side(Http2Limits(connection_window_bytes=70_000))
    side.begin()
    side.request(1, ends=False)
    side.receive(frame(codes.DATA, 0, 1, b"x" * 70_001))
    assert side.sent()[-1].error == ErrorCode.FLOW_CONTROL_ERROR


@pytest.mark.parametrize("late", ["reset by us", "reset by the client"])
def test_late_data_counts_on_the_connection(late: str) -> None:
    """Or its window would leak away."""
    side = Side(Http2Limits(connection_window_bytes=70_000))
    side.begin()
    request = side.request(1, ends=False)
    if late == "reset by us":
        request.stream.reset(ErrorCode.CANCEL)
        side.output()
        side.receive(*[frame(codes.DATA, 0, 1, b"x" * 10_000)] * 4)
    else:
        side.receive(*[frame(codes.DATA, 0, 1, b"x" * 10_000)] * 4)
    assert [(one.stream_id, one.number) for one in side.sent()] == [(0, 40_000)]


@pytest.mark.parametrize("window", [0, 3, 100])
@pytest.mark.parametrize("is_held", [False, True])
def test_an_opening_is_headers_and_data_whatever_is_in_the_way(window: int, is_held: bool) -> None:
    """In one piece or in two, the frames are the same, and data waits for its window."""
    sent = []
    for in_one in (True, False):
        side = Side()
        side.begin(struct.pack(">HI", 4, window))
        request = side.request(1, b"question")
        side.output()
        sender = side.connection.sender
        sender.is_held = is_held
        if in_one:
            request.stream.send_opening(b"\x88", b"answer")
        else:
            request.stream.send_headers(b"\x88")
            request.stream.send_data(b"answer")
        request.stream.send_headers(b"\x88", ends=True)
        sender.is_held = False
        sender.pump()
        side.receive(window_update(1, 100))
        sent.append([(one.kind, one.flags, one.payload) for one in side.sent()])
    assert sent[0] == sent[1]
    assert [payload for kind, _, payload in sent[0] if kind == codes.DATA and payload][-1].endswith(b"r")
