"""Frames: cut anywhere, they are the same; too long or wrongly padded, they are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.wire.grpc.http2.framing import codes
from naiad.wire.grpc.http2.framing.codes import ConnectionFault, ErrorCode, StreamFault
from naiad.wire.grpc.http2.framing.frames import FrameReader, frame, header_frames, strip_padding

Seen = list[tuple[int, int, int, bytes]]


class Recorder:
    """A reader whose handlers write down what comes."""

    def __init__(self, most_bytes: int = 100) -> None:
        self.seen: Seen = []
        self.faults: list[StreamFault] = []
        self.reader = FrameReader(most_bytes, self.faults.append)
        self.reader.handlers = [self._handler(kind) for kind in range(codes.FRAME_TYPES + 1)]

    def _handler(self, kind: int):
        def handle(flags: int, stream_id: int, buffer: bytes, start: int, end: int) -> None:
            self.seen.append((kind, flags, stream_id, buffer[start:end]))

        return handle

    def whole(self) -> Seen:
        """What came, pieces of DATA put together."""
        found: Seen = []
        gathered = b""
        for kind, flags, stream_id, payload in self.seen:
            if kind == codes.DATA and not flags & codes.END_STREAM:
                gathered += payload
            elif kind == codes.DATA:
                found.append((kind, flags, stream_id, gathered + payload))
                gathered = b""
            else:
                found.append((kind, flags, stream_id, payload))
        return found


frames = st.tuples(
    st.integers(0, 12), st.sampled_from([0x1, 0x5, 0x9]), st.integers(0, 2**31 - 1), st.binary(max_size=100)
)


@given(st.lists(frames, max_size=8), st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_however_it_is_cut_the_frames_are_the_same(sent: Seen, cuts: list[int]) -> None:
    data = codes.PREFACE + b"".join(frame(*one) for one in sent)
    recorder = Recorder()
    at = turn = 0
    while at < len(data):
        size = cuts[turn % len(cuts)]
        turn += 1
        recorder.reader.feed(data[at : at + size])
        at += size
    assert recorder.whole() == [(min(kind, codes.FRAME_TYPES), *rest) for kind, *rest in sent]


def test_unpadded_data_is_handed_over_as_it_comes() -> None:
    recorder = Recorder()
    data = codes.PREFACE + frame(codes.DATA, codes.END_STREAM, 1, b"abcdef")
    recorder.reader.feed(data[:-4])
    recorder.reader.feed(data[-4:-1])
    recorder.reader.feed(data[-1:])
    assert recorder.seen == [(0, 0, 1, b"ab"), (0, 0, 1, b"cde"), (0, 1, 1, b"f")]


def test_a_reserved_bit_of_the_stream_id_is_ignored() -> None:
    recorder = Recorder()
    recorder.reader.feed(codes.PREFACE + frame(codes.PING, 0, 2**31 + 5, b"12345678"))
    assert recorder.seen == [(codes.PING, 0, 5, b"12345678")]


@pytest.mark.parametrize("kind", [codes.DATA, codes.HEADERS, codes.SETTINGS, 77])
def test_a_frame_past_our_maximum_is_refused_by_its_head(kind: int) -> None:
    recorder = Recorder(most_bytes=100)
    with pytest.raises(ConnectionFault) as caught:
        recorder.reader.feed(codes.PREFACE + frame(kind, 0, 1, b"x" * 101)[:9])
    assert caught.value.code == ErrorCode.FRAME_SIZE_ERROR


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"X", codes.PREFACE[:-1] + b"X"])
def test_anything_but_the_preface_is_refused(data: bytes) -> None:
    with pytest.raises(ConnectionFault) as caught:
        Recorder().reader.feed(data)
    assert caught.value.code == ErrorCode.PROTOCOL_ERROR


def test_a_preface_in_pieces_is_read_before_frames() -> None:
    recorder = Recorder()
    for byte in codes.PREFACE + frame(codes.SETTINGS, 0, 0):
        recorder.reader.feed(bytes((byte,)))
    assert recorder.seen == [(codes.SETTINGS, 0, 0, b"")]


def test_a_fault_of_one_stream_does_not_stop_the_next_frame() -> None:
    recorder = Recorder()
    fault = StreamFault(1, ErrorCode.PROTOCOL_ERROR, "wrong")

    def refuse(flags: int, stream_id: int, buffer: bytes, start: int, end: int) -> None:
        raise fault

    recorder.reader.handlers = [refuse, *recorder.reader.handlers[1:]]
    recorder.reader.feed(codes.PREFACE + frame(codes.DATA, 0, 1) + frame(codes.PING, 0, 0, b"12345678"))
    assert (recorder.faults, [one[0] for one in recorder.seen]) == ([fault], [codes.PING])


@pytest.mark.parametrize(
    ("flags", "payload", "expected"),
    [
        (0, b"abc", b"abc"),
        (codes.PADDED, b"\x02abc\0\0", b"abc"),
        (codes.PADDED, b"\x00abc", b"abc"),
        (codes.PADDED, b"\x02\0\0", b""),
        (codes.PRIORITIZED, b"\0\0\0\0\x10abc", b"abc"),
        (codes.PADDED | codes.PRIORITIZED, b"\x01\0\0\0\0\x10abc\0", b"abc"),
        (codes.PADDED, b"", ErrorCode.FRAME_SIZE_ERROR),
        (codes.PADDED, b"\x03ab", ErrorCode.PROTOCOL_ERROR),
        (codes.PADDED, b"\x01", ErrorCode.PROTOCOL_ERROR),
        (codes.PRIORITIZED, b"\0\0\0\0", ErrorCode.FRAME_SIZE_ERROR),
        (codes.PADDED | codes.PRIORITIZED, b"\x01\0\0\0\0\x10", ErrorCode.PROTOCOL_ERROR),
    ],
)
def test_padding_and_priority_fields(flags: int, payload: bytes, expected: bytes | ErrorCode) -> None:
    buffer = b"##" + payload + b"##"
    if isinstance(expected, bytes):
        start, end = strip_padding(flags, buffer, 2, 2 + len(payload))
        assert buffer[start:end] == expected
    else:
        with pytest.raises(ConnectionFault) as caught:
            strip_padding(flags, buffer, 2, 2 + len(payload))
        assert caught.value.code == expected


def test_a_long_header_block_is_continued() -> None:
    recorder = Recorder()
    recorder.reader.feed(codes.PREFACE + header_frames(3, b"abcdefg", True, 3))
    assert recorder.seen == [
        (codes.HEADERS, codes.END_STREAM, 3, b"abc"),
        (codes.CONTINUATION, 0, 3, b"def"),
        (codes.CONTINUATION, codes.END_HEADERS, 3, b"g"),
    ]
