"""Header blocks: remembered ones mean what a decoder would make of them; bad ones are refused."""

from __future__ import annotations

import contextlib
import tracemalloc

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from peer import REQUEST, PlainHead, plain_head

from naiad.wire.grpc.http2.framing.codes import ConnectionFault, ErrorCode
from naiad.wire.grpc.http2.framing.heads import HeaderBlocks, MalformedError, OversizedError, check_request
from naiad.wire.grpc.http2.rpc.head import interpret

names = st.sampled_from([b"a", b"b", b"grpc-timeout", b"x-long"])
values = st.sampled_from([b"", b"1", b"2", b"v" * 40, b"w" * 3000])
fields = st.lists(st.tuples(names, values, st.booleans()), max_size=6)
steps = st.lists(
    st.one_of(fields, st.integers(0, 4096), st.just("again"), st.just("trailers")), min_size=1, max_size=20
)


class Counting:
    """`plain_head`, counted."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, found) -> PlainHead:
        self.calls += 1
        return plain_head(found)


@given(steps, st.booleans())
def test_remembered_blocks_mean_what_a_decoder_makes_of_them(script, huffman: bool) -> None:
    """Whatever the client's compressor does to its table in between."""
    encoder, oracle = hpack.Encoder(), hpack.Decoder()
    blocks = HeaderBlocks(65536, plain_head)
    last = b""
    for step in script:
        if isinstance(step, int):
            encoder.header_table_size = step
            continue
        if step == "again" and last:
            block = last  # which may mean something else by now, or nothing
        elif step == "trailers":
            block = encoder.encode([(b"late", b"1")], huffman=huffman)
            with contextlib.suppress(hpack.HPACKError):
                oracle.decode(block, raw=True)
            with contextlib.suppress(MalformedError, ConnectionFault):
                blocks.read_trailers(block)
            continue
        else:
            listed = step if isinstance(step, list) else []
            kinds = [hpack.NeverIndexedHeaderTuple if never else hpack.HeaderTuple for *_, never in listed]
            chosen = [kind(name, value) for kind, (name, value, _) in zip(kinds, listed, strict=True)]
            block = encoder.encode([*REQUEST, *chosen], huffman=huffman)
        last = block
        expected = expect(oracle, block)
        if expected is None:
            with pytest.raises((ConnectionFault, MalformedError)):
                blocks.read(block)
        else:
            assert blocks.read(block) == expected


def expect(oracle: hpack.Decoder, block: bytes) -> PlainHead | None:
    """What a plain decoder makes of a block; None: no valid request."""
    try:
        found = oracle.decode(block, raw=True)
        check_request(found)
    except (hpack.HPACKError, MalformedError):
        return None
    return plain_head(found)


def test_a_repeated_block_is_decoded_once() -> None:
    counting, encoder = Counting(), hpack.Encoder()
    blocks = HeaderBlocks(65536, counting)
    encoded = [encoder.encode(REQUEST) for _ in range(5)]
    heads = [blocks.read(block) for block in encoded]
    # The first adds to the table; the second is all references and is remembered.
    assert (counting.calls, len(set(heads))) == (2, 1)


def test_what_was_remembered_is_forgotten_when_the_table_changes() -> None:
    """Index 62 is the newest entry: the same bytes mean another header after one was added."""
    blocks = HeaderBlocks(65536, plain_head)
    start = b"\x83\x86\x44\x04/s/m"  # POST, http, literal :path added to the table

    def indexed(block: bytes) -> bytes:
        return dict(blocks.read(b"\x83\x86\x04\x04/s/m" + block).fields)[b"a"]

    blocks.read(start)
    blocks.read(b"\x83\x86\x04\x04/s/m" + b"\x40\x01a\x011")
    assert (indexed(b"\xbe"), indexed(b"\xbe")) == (b"1", b"1")
    blocks.read(b"\x83\x86\x04\x04/s/m" + b"\x40\x01a\x012")
    assert (indexed(b"\xbe"), indexed(b"\xbf")) == (b"2", b"1")


def test_a_size_update_is_never_remembered() -> None:
    counting = Counting()
    blocks = HeaderBlocks(65536, counting)
    for _ in range(3):
        blocks.read(b"\x20\x83\x86\x04\x04/s/m")
    assert counting.calls == 3


@pytest.mark.parametrize(
    "block", [b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x40", b"\x7f", b"\x82\x3f\xff\xff\xff", b"\xbf"]
)
def test_what_cannot_be_decompressed_ends_the_connection(block: bytes) -> None:
    with pytest.raises(ConnectionFault) as caught:
        HeaderBlocks(65536, plain_head).read(block)
    assert caught.value.code == ErrorCode.COMPRESSION_ERROR


@given(st.binary(max_size=60))
def test_no_bytes_do_anything_else_than_be_read_or_refused(block: bytes) -> None:
    blocks = HeaderBlocks(65536, plain_head)
    for _ in range(2):
        with contextlib.suppress(MalformedError, ConnectionFault):
            blocks.read(block)


def test_a_long_list_is_refused_alone_and_a_bomb_with_its_connection() -> None:
    encoder = hpack.Encoder()
    blocks = HeaderBlocks(1000, plain_head)
    with pytest.raises(OversizedError, match="exceed the maximum of 1000 bytes"):
        blocks.read(encoder.encode([*REQUEST, (b"a", b"v" * 1000)]))
    blocks.read(encoder.encode(REQUEST))
    bomb = encoder.encode([*REQUEST, (b"b", b"v" * 500)]) + b"\xbe" * 100  # the last added, a hundred times
    with pytest.raises(ConnectionFault) as caught:
        blocks.read(bomb)
    assert caught.value.code == ErrorCode.ENHANCE_YOUR_CALM


def without(name: bytes) -> list[tuple[bytes, bytes]]:
    return [field for field in REQUEST if field[0] != name]


@pytest.mark.parametrize(
    "listed",
    [
        without(b":method"),
        without(b":path"),
        without(b":scheme"),
        [*without(b":path"), (b":path", b"/late")],
        [(b":path", b"/twice"), *REQUEST],
        [(b":status", b"200"), *REQUEST],
        [(b":path", b""), *without(b":path")],
        [*REQUEST, (b"Upper", b"1")],
        [*REQUEST, (b"with space", b"1")],
        [*REQUEST, (b"", b"1")],
        [*REQUEST, (b"a", b"line\nbreak")],
        [*REQUEST, (b"a", b"zero\0")],
        [*REQUEST, (b"a", b" blank")],
        [*REQUEST, (b"a", b"tab\t")],
        [*REQUEST, (b"connection", b"close")],
        [*REQUEST, (b"transfer-encoding", b"chunked")],
        [*REQUEST, (b"upgrade", b"h3")],
        [*without(b"te"), (b"te", b"gzip")],
        [*REQUEST, (b"content-length", b"-1")],
        [*REQUEST, (b"content-length", b"1" + b"0" * 5000)],
        [(b":path", b"/a\r\nb"), *without(b":path")],
    ],
    ids=str,
)
def test_malformed_requests(listed: list[tuple[bytes, bytes]]) -> None:
    blocks = HeaderBlocks(65536, plain_head)
    for _ in range(2):  # and they are not remembered as good ones
        with pytest.raises(MalformedError):
            blocks.read(hpack.Encoder().encode(listed))


@pytest.mark.parametrize("listed", [[(b":path", b"/")], [(b"Upper", b"1")], [(b"te", b"gzip")]])
def test_malformed_trailers(listed: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(MalformedError):
        HeaderBlocks(65536, plain_head).read_trailers(hpack.Encoder().encode(listed))


def test_what_is_remembered_is_bounded_by_what_it_means_not_by_its_bytes() -> None:
    """Blocks of 26 bytes that name a long header from the table again and again took 15 MB for each connection."""
    encoder, blocks = hpack.Encoder(), HeaderBlocks(65536, interpret)
    long = [*((name, value, True) for name, value in REQUEST), (b"x-long", b"v" * 3900)]  # only one is in the table
    blocks.read(encoder.encode(long))
    block = encoder.encode(long)
    blocks.read(block)
    tracemalloc.start()
    for number in range(500):
        blocks.read(block + block[-1:] * 14 + b"\0\1n\3%03d" % number)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000
    assert len(blocks._known) > 1
