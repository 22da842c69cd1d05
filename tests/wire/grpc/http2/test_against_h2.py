"""The h2 library as the client: whatever it sends, however it is cut, arrives; whatever we answer, it accepts."""

from __future__ import annotations

import h2.events
from hypothesis import given
from hypothesis import strategies as st
from peer import REQUEST, H2Client, Side

from naiad.wire.grpc.http2.framing.codes import ErrorCode
from naiad.wire.grpc.http2.framing.settings import Http2Limits

requests = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.sampled_from([b"a", b"grpc-timeout", b"x-id"]), st.sampled_from([b"1", b"22" * 30])),
            max_size=3,
        ),
        st.lists(st.tuples(st.binary(max_size=50), st.integers(0, 5)), max_size=4),
        st.sampled_from(["answer", "early", "cancel", "trailers"]),
    ),
    min_size=1,
    max_size=8,
)


@given(requests, st.lists(st.integers(1, 40), min_size=1, max_size=6), st.booleans())
def test_requests_arrive_and_answers_are_accepted(script, cuts: list[int], at_once: bool) -> None:
    side, client = Side(Http2Limits(ping_strikes=0)), H2Client()
    side.connection.greet()
    for index, (extra, parts, how) in enumerate(script):
        stream_id = 1 + 2 * index
        client.h2.send_headers(stream_id, [*REQUEST, *extra])
        for body, padding in parts:
            client.h2.send_data(stream_id, body, pad_length=padding or None)
        if how == "trailers":
            client.h2.send_headers(stream_id, [(b"x-end", b"1")], end_stream=True)
        elif how == "cancel":
            client.h2.reset_stream(stream_id, ErrorCode.CANCEL)
        elif how == "answer":
            client.h2.end_stream(stream_id)
        client.h2.ping(b"12345678")
        if not at_once:
            client.exchange(side, cuts)
    client.exchange(side, cuts)
    for taken, (extra, parts, how) in zip(side.taken, script, strict=True):
        assert list(taken.head.fields) == [*REQUEST, *extra]
        assert taken.body == b"".join(body for body, _ in parts)
        assert (taken.has_ended, taken.is_reset) == (how in ("answer", "trailers"), how == "cancel")
        taken.stream.send_headers(b"\x88")
        taken.stream.send_data(b"answer to " + taken.body)
        taken.stream.send_headers(b"\x00\x0bgrpc-status\x010", ends=True)
    client.exchange(side, cuts)
    answered = {event.stream_id: event.data for event in client.events if isinstance(event, h2.events.DataReceived)}
    assert answered == {taken.stream.id: b"answer to " + taken.body for taken in side.taken if not taken.is_reset}
    assert not side.connection.is_done
    assert side.connection.streams == {}


def test_h2_reads_our_goodbye() -> None:
    side, client = Side(Http2Limits(ping_strikes=0)), H2Client()
    side.connection.greet()
    client.exchange(side)
    client.h2.send_headers(1, REQUEST, end_stream=True)
    client.exchange(side)
    side.taken[0].stream.send_headers(b"\x88", ends=True)
    side.connection.fail(ErrorCode.ENHANCE_YOUR_CALM, "too many of everything")
    client.exchange(side)
    (goodbye,) = [event for event in client.events if isinstance(event, h2.events.ConnectionTerminated)]
    assert (goodbye.error_code, goodbye.last_stream_id, goodbye.additional_data) == (11, 1, b"too many of everything")


@given(st.binary(max_size=200))
def test_no_bytes_after_the_preface_do_harm(junk: bytes) -> None:
    """Refused or not: no exception, and what was open is told once (`Taken` checks)."""
    side = Side(Http2Limits(ping_strikes=0))
    side.begin()
    side.request(1, ends=False)
    side.connection.receive(junk)
    side.connection.receive(junk)
    side.connection.lose()
    assert side.taken[0].is_reset


frames = st.builds(
    lambda kind, flags, stream_id, payload: (
        len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream_id.to_bytes(4, "big") + payload
    ),
    st.integers(0, 11),
    st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x2D, 0xFF]),
    st.integers(0, 9),
    st.one_of(
        st.binary(max_size=12), st.sampled_from([b"\0\0\0\1", b"\x83\x86\x44\x04/s/m", bytes(8), b"\0\4\0\0\0\0"])
    ),
)


@given(st.lists(frames, max_size=12))
def test_no_frames_do_harm(sent: list[bytes]) -> None:
    side = Side(Http2Limits(ping_strikes=0))
    side.begin()
    side.request(1, ends=False)
    for one in sent:
        side.connection.receive(one)
        for taken in side.taken:
            taken.stream.send_data(b"more")
    side.connection.lose()
    assert side.connection.streams == {}
