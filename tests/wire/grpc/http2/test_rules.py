"""What a client may send when (RFC 9113): each rule broken once, and the error that answers it."""

from __future__ import annotations

import struct

import pytest
from peer import REQUEST, Side

from naiad.wire.grpc.http2.framing import codes
from naiad.wire.grpc.http2.framing.codes import ErrorCode
from naiad.wire.grpc.http2.framing.frames import frame, goaway, ping, reset, settings_frame, window_update
from naiad.wire.grpc.http2.framing.settings import Http2Limits

E = ErrorCode
PING = ping(b"12345678")


def rst(stream_id: int) -> bytes:
    return reset(stream_id, E.CANCEL)


def data(stream_id: int, body: bytes = b"x", flags: int = 0) -> bytes:
    return frame(codes.DATA, flags, stream_id, body)


def setting(key: int, value: int) -> bytes:
    return settings_frame([(key, value)])


CONNECTION_ERRORS = {
    "DATA on stream 0": (data(0), E.PROTOCOL_ERROR),
    "DATA on an idle stream": (data(5), E.PROTOCOL_ERROR),
    "DATA on a stream of the server's": (data(2), E.PROTOCOL_ERROR),
    "DATA padded past its end": (frame(codes.DATA, codes.PADDED, 1, b"\x05abc"), E.PROTOCOL_ERROR),
    "HEADERS on stream 0": (frame(codes.HEADERS, 4, 0, b"\x82"), E.PROTOCOL_ERROR),
    "HEADERS on an even stream": (frame(codes.HEADERS, 4, 2, b"\x82"), E.PROTOCOL_ERROR),
    "HEADERS that do not decode": (frame(codes.HEADERS, 4, 3, b"\xff\xff\xff\xff\xff\xff"), E.COMPRESSION_ERROR),
    "CONTINUATION without HEADERS": (frame(codes.CONTINUATION, 4, 1, b""), E.PROTOCOL_ERROR),
    "a block interrupted": (frame(codes.HEADERS, 0, 3, b"\x83") + PING, E.PROTOCOL_ERROR),
    "a block interrupted by an unknown frame": (
        frame(codes.HEADERS, 0, 3, b"\x83") + frame(99, 0, 0),
        E.PROTOCOL_ERROR,
    ),
    "a block continued elsewhere": (
        frame(codes.HEADERS, 0, 3, b"\x83") + frame(codes.CONTINUATION, 4, 5, b"\x86"),
        E.PROTOCOL_ERROR,
    ),
    "PRIORITY on stream 0": (frame(codes.PRIORITY, 0, 0, b"12345"), E.PROTOCOL_ERROR),
    "RST_STREAM on stream 0": (rst(0), E.PROTOCOL_ERROR),
    "RST_STREAM on an idle stream": (rst(7), E.PROTOCOL_ERROR),
    "RST_STREAM of 5 bytes": (frame(codes.RST_STREAM, 0, 1, b"12345"), E.FRAME_SIZE_ERROR),
    "SETTINGS on a stream": (frame(codes.SETTINGS, 0, 1), E.PROTOCOL_ERROR),
    "SETTINGS of 5 bytes": (frame(codes.SETTINGS, 0, 0, b"12345"), E.FRAME_SIZE_ERROR),
    "SETTINGS acknowledged with a payload": (frame(codes.SETTINGS, 1, 0, b"123456"), E.FRAME_SIZE_ERROR),
    "ENABLE_PUSH of 2": (setting(2, 2), E.PROTOCOL_ERROR),
    "INITIAL_WINDOW_SIZE of 2^31": (setting(4, 2**31), E.FLOW_CONTROL_ERROR),
    "MAX_FRAME_SIZE of 16383": (setting(5, 16383), E.PROTOCOL_ERROR),
    "MAX_FRAME_SIZE of 2^24": (setting(5, 2**24), E.PROTOCOL_ERROR),
    "PUSH_PROMISE": (frame(codes.PUSH_PROMISE, 4, 1, b"\0\0\0\2\x82"), E.PROTOCOL_ERROR),
    "PING on a stream": (ping(b"12345678")[:5] + b"\0\0\0\1" + b"12345678", E.PROTOCOL_ERROR),
    "PING of 7 bytes": (ping(b"1234567"), E.FRAME_SIZE_ERROR),
    "GOAWAY on a stream": (frame(codes.GOAWAY, 0, 1, bytes(8)), E.PROTOCOL_ERROR),
    "GOAWAY of 7 bytes": (frame(codes.GOAWAY, 0, 0, bytes(7)), E.FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of 3 bytes": (frame(codes.WINDOW_UPDATE, 0, 0, b"123"), E.FRAME_SIZE_ERROR),
    "WINDOW_UPDATE by 0": (window_update(0, 0), E.PROTOCOL_ERROR),
    "WINDOW_UPDATE past 2^31-1": (window_update(0, 2**31 - 1), E.FLOW_CONTROL_ERROR),
    "WINDOW_UPDATE on an idle stream": (window_update(9, 1), E.PROTOCOL_ERROR),
    "a window past 2^31-1 by SETTINGS": (
        window_update(1, 2**31 - 1 - 65535) + setting(4, 65536),
        E.FLOW_CONTROL_ERROR,
    ),
    "a frame past our maximum": (struct.pack(">BHBBI", 255, 0, codes.DATA, 0, 1), E.FRAME_SIZE_ERROR),
    "DATA after the client's reset": (rst(1) + data(1), E.STREAM_CLOSED),
    "HEADERS after the client's reset": (rst(1) + frame(codes.HEADERS, 5, 1, b"\x82"), E.STREAM_CLOSED),
}
"""What is received after stream 1 was opened → the code of our GOAWAY."""

STREAM_ERRORS = {
    "DATA after the end": (data(1, b"", 1) + data(1), E.STREAM_CLOSED),
    "HEADERS after the end": (data(1, b"", 1) + frame(codes.HEADERS, 5, 1, b""), E.STREAM_CLOSED),
    "trailers without an end": (frame(codes.HEADERS, 4, 1, b""), E.PROTOCOL_ERROR),
    "trailers with a pseudo-header": (frame(codes.HEADERS, 5, 1, b"\x82"), E.PROTOCOL_ERROR),
    "WINDOW_UPDATE by 0": (window_update(1, 0), E.PROTOCOL_ERROR),
    "WINDOW_UPDATE past 2^31-1": (window_update(1, 2**31 - 1), E.FLOW_CONTROL_ERROR),
    "PRIORITY of 4 bytes": (frame(codes.PRIORITY, 0, 1, b"1234"), E.FRAME_SIZE_ERROR),
}
"""What is received after stream 1 was opened → the code of our RST_STREAM."""


@pytest.mark.parametrize("rule", CONNECTION_ERRORS)
def test_the_connection_ends(rule: str) -> None:
    received, code = CONNECTION_ERRORS[rule]
    side = Side()
    side.begin()
    request = side.request(1, ends=False)
    side.receive(received, PING)
    goodbye = side.sent()[-1]
    assert (goodbye.kind, goodbye.error, goodbye.stream_id) == (codes.GOAWAY, code, 0)
    assert (side.connection.is_done, request.is_reset, side.connection.streams) == (True, True, {})


@pytest.mark.parametrize("rule", STREAM_ERRORS)
def test_only_the_stream_ends(rule: str) -> None:
    received, code = STREAM_ERRORS[rule]
    side = Side()
    side.begin()
    request = side.request(1, ends=False)
    side.receive(received)
    side.receive(PING)
    answer = side.sent()
    assert [(one.kind, one.stream_id) for one in answer] == [(codes.RST_STREAM, 1), (codes.PING, 0)]
    assert (answer[0].error, request.is_reset) == (code, True)
    late = side.request(3, b"next")
    assert (late.body, side.connection.is_done) == (b"next", False)


def test_malformed_requests_are_reset_and_later_ones_decoded() -> None:
    """The compressor's table must have moved on all the same."""
    side = Side()
    side.begin()
    side.receive(side.headers(1, [*REQUEST, (b"connection", b"close"), (b"x-added", b"1")], 0x5))
    side.receive(side.headers(3, [*REQUEST, (b"x-added", b"1")], 0x5))
    assert [(one.kind, one.stream_id, one.error) for one in side.sent()] == [(codes.RST_STREAM, 1, E.PROTOCOL_ERROR)]
    assert (b"x-added", b"1") in side.taken[0].head.fields


@pytest.mark.parametrize(
    ("length", "body", "is_good"),
    [(3, b"abc", True), (3, b"ab", False), (3, b"abcd", False), (0, b"", True), (1, b"", False)],
)
def test_content_length_is_the_length_of_the_content(length: int, body: bytes, is_good: bool) -> None:
    side = Side()
    side.begin()
    side.receive(side.headers(1, [*REQUEST, (b"content-length", b"%d" % length)]))
    side.receive(data(1, body[:2]), data(1, body[2:], 1))
    assert [one.error for one in side.sent()] == ([] if is_good else [E.PROTOCOL_ERROR])


def test_the_first_frame_must_be_settings() -> None:
    for first in (PING, frame(codes.SETTINGS, 1, 0), frame(99, 0, 0)):
        side = Side()
        side.connection.greet()
        side.output()
        side.receive(codes.PREFACE, first)
        assert [(one.kind, one.error) for one in side.sent()] == [(codes.GOAWAY, E.PROTOCOL_ERROR)]


def test_settings_are_announced_and_acknowledged() -> None:
    side = Side(Http2Limits(streams=7, stream_window_bytes=70_000, connection_window_bytes=80_000))
    side.connection.greet()
    side.receive(codes.PREFACE, frame(codes.SETTINGS, 0, 0))
    first, window, ack = side.sent()
    assert dict(struct.iter_unpack(">HI", first.payload)) == {3: 7, 4: 70_000, 5: 1024 * 1024, 6: 65_536}
    assert (window.kind, window.number) == (codes.WINDOW_UPDATE, 80_000 - 65_535)
    assert (ack.kind, ack.flags, side.connection.is_greeted) == (codes.SETTINGS, codes.ACK, False)
    side.receive(frame(codes.SETTINGS, codes.ACK, 0))
    assert side.connection.is_greeted


def test_unknown_frames_and_settings_and_priorities_are_ignored() -> None:
    side = Side()
    side.begin()
    side.receive(frame(0xFE, 0xFF, 77, b"??"), setting(0xFEFE, 5), frame(codes.PRIORITY, 0, 9, b"12345"))
    assert [(one.kind, one.flags) for one in side.sent()] == [(codes.SETTINGS, codes.ACK)]
    assert side.request(1, b"x").body == b"x"


def test_pings_are_answered() -> None:
    side = Side()
    side.begin()
    side.receive(PING)
    assert [(one.kind, one.flags, one.payload) for one in side.sent()] == [(codes.PING, codes.ACK, b"12345678")]


def test_padding_and_priority_fields_and_continuations_of_a_request() -> None:
    side = Side()
    side.begin()
    block = side.encoder.encode(REQUEST)
    padded = b"\x02" + b"\0\0\0\0\x10" + block[:5] + b"\0\0"
    side.receive(
        frame(codes.HEADERS, codes.PADDED | codes.PRIORITIZED, 1, padded),
        frame(codes.CONTINUATION, 0, 1, block[5:9]),
        frame(codes.CONTINUATION, codes.END_HEADERS, 1, block[9:]),
        frame(codes.DATA, codes.PADDED | codes.END_STREAM, 1, b"\x03abc\0\0\0"),
    )
    (request,) = side.taken
    assert (list(request.head.fields), request.body, request.has_ended) == (REQUEST, b"abc", True)


def test_trailers_end_a_request() -> None:
    side = Side()
    side.begin()
    request = side.request(1, b"abc", ends=False)
    side.receive(side.headers(1, [(b"x-checksum", b"1")], 0x5))
    assert (request.body, request.has_ended, side.sent()) == (b"abc", True, [])


def test_more_streams_than_allowed_are_refused_one_by_one() -> None:
    side = Side(Http2Limits(streams=2))
    side.begin()
    for stream_id in (1, 3, 5):
        side.receive(side.headers(stream_id), data(stream_id))
    assert [(one.kind, one.stream_id, one.error) for one in side.sent()] == [(codes.RST_STREAM, 5, E.REFUSED_STREAM)]
    side.taken[0].stream.send_headers(b"\x88", ends=True)
    assert side.request(7, b"x").body == b"x"


def test_stream_ids_must_rise() -> None:
    for first, then, code in ((5, 3, E.PROTOCOL_ERROR), (5, 1, E.PROTOCOL_ERROR), (1, 1, E.STREAM_CLOSED)):
        side = Side()
        side.begin()
        side.request(first).stream.send_headers(b"\x88", ends=True)
        side.receive(side.headers(then))
        assert side.sent()[-1].error == code


def test_an_answer_before_the_end_of_the_request_stops_it_gently() -> None:
    side = Side()
    side.begin()
    request = side.request(1, b"a", ends=False)
    request.stream.send_headers(b"\x88", ends=True)
    side.receive(data(1, b"late"), side.headers(1, [(b"late", b"1")], 0x5), window_update(1, 5), rst(1))
    answer = side.sent()
    assert [one.kind for one in answer] == [codes.HEADERS, codes.RST_STREAM]
    assert (answer[1].error, side.connection.is_done, request.body) == (E.NO_ERROR, False, b"a")


def test_headers_too_long_are_answered_and_the_connection_lives_on() -> None:
    side = Side(Http2Limits(header_bytes=1000))
    side.begin()
    side.receive(side.headers(1, [*REQUEST, (b"a", b"v" * 1000)], 0x5))
    assert (side.refused, [one.kind for one in side.sent()]) == (
        ["request headers of 1308 bytes exceed the maximum of 1000 bytes"],
        [codes.HEADERS],
    )
    assert side.request(3, b"x").body == b"x"


def test_a_cancelled_request_is_withdrawn_once_and_nothing_is_sent() -> None:
    side = Side()
    side.begin()
    request = side.request(1)
    side.receive(rst(1), rst(1))
    request.stream.send_headers(b"\x88")
    request.stream.send_data(b"late")
    request.stream.reset(E.CANCEL)
    assert (request.is_reset, side.sent()) == (True, [])


def test_a_lost_client_withdraws_every_request() -> None:
    side = Side()
    side.begin()
    side.request(1)
    side.request(3, ends=False)
    side.connection.lose()
    assert ([one.is_reset for one in side.taken], side.sent()) == ([True, True], [])


def test_draining_lets_requests_finish_and_refuses_new_ones() -> None:
    side = Side()
    side.begin()
    running = side.request(1)
    side.connection.drain()
    warning, question = side.sent()
    assert (warning.kind, warning.number, question.kind) == (codes.GOAWAY, 2**31 - 1, codes.PING)
    late = side.request(3)  # sent before the client had read the warning
    side.receive(ping(question.payload, codes.ACK))
    (final,) = side.sent()
    assert (final.kind, final.number, final.error) == (codes.GOAWAY, 3, E.NO_ERROR)
    side.receive(side.headers(5, flags=0x5))
    assert [(one.kind, one.error) for one in side.sent()] == [(codes.RST_STREAM, E.REFUSED_STREAM)]
    running.stream.send_headers(b"\x88", ends=True)
    assert not side.connection.is_done
    late.stream.send_headers(b"\x88", ends=True)
    assert side.connection.is_done


def test_draining_an_idle_connection_waits_for_what_is_under_way() -> None:
    side = Side()
    side.begin()
    side.connection.drain()
    question = side.sent()[-1]
    assert not side.connection.is_done
    side.receive(ping(question.payload, codes.ACK))
    assert ([one.kind for one in side.sent()], side.connection.is_done) == ([codes.GOAWAY], True)


def test_draining_before_the_greeting_serves_the_call_that_comes_with_it() -> None:
    side = Side()
    side.connection.greet()
    side.connection.drain()
    question = side.sent()[-1]
    assert (question.kind, side.connection.is_done) == (codes.PING, False)
    side.begin()
    running = side.request(1)
    side.receive(ping(question.payload, codes.ACK))
    assert (side.sent()[-1].kind, side.connection.is_done) == (codes.GOAWAY, False)
    running.stream.send_headers(b"\x88", ends=True)
    assert side.connection.is_done


def test_a_client_that_leaves_gets_its_answers() -> None:
    side = Side()
    side.begin()
    running = side.request(1)
    side.receive(goaway(0, E.NO_ERROR))
    assert not side.connection.is_done
    running.stream.send_headers(b"\x88", ends=True)
    assert side.connection.is_done


def test_a_smaller_header_table_is_confirmed_once() -> None:
    """RFC 7541, section 4.2."""
    side = Side()
    side.begin(struct.pack(">HI", 1, 0))
    side.request(1).stream.send_headers(b"\x88", ends=True)
    side.request(3).stream.send_headers(b"\x88", ends=True)
    assert [one.payload for one in side.sent()] == [b"\x20\x88", b"\x88"]
