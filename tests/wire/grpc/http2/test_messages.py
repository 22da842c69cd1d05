"""gRPC messages out of data cut anywhere, compressed or not, and never more of them than allowed."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.wire.grpc.http2.rpc.messages import PREFIX, LongMessage, MessageFault, MessageReader
from naiad.wire.waiting import Account, Waiting


def compress(message: bytes, wbits: int) -> bytes:
    compressor = zlib.compressobj(wbits=wbits)
    return compressor.compress(message) + compressor.flush()


def reader(most_bytes: int = 1000, wbits: int = 0, gathering: int = 10_000) -> MessageReader:
    return MessageReader(most_bytes, wbits, Account(Waiting(gathering, gathering)))


def prefixed(message: bytes, flag: int = 0) -> bytes:
    return PREFIX.pack(flag, len(message)) + message


@given(
    st.lists(st.tuples(st.binary(max_size=60), st.booleans()), max_size=6),
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
    st.sampled_from([15, 31]),
)
def test_however_it_is_cut_the_messages_are_the_same(sent, cuts: list[int], wbits: int) -> None:
    data = b"".join(prefixed(compress(body, wbits), 1) if squeezed else prefixed(body) for body, squeezed in sent)
    account = Account(Waiting(10_000, 10_000))
    one = MessageReader(1000, wbits, account)
    found, at, turn = [], 0, 0
    while at < len(data):
        size = cuts[turn % len(cuts)]
        turn += 1
        piece = b"##" + data[at : at + size] + b"##"
        found += one.feed(piece, 2, len(piece) - 2)
        at += size
    assert (found, one.is_between, account.bytes) == ([body for body, _ in sent], True, 0)


@pytest.mark.parametrize(
    ("data", "wbits", "status", "words"),
    [
        (PREFIX.pack(0, 1001), 0, "RESOURCE_EXHAUSTED", r"larger than max \(1001 vs. 1000\)"),
        (prefixed(gzip.compress(b"x" * 1001, mtime=0), 1), 31, "RESOURCE_EXHAUSTED", "larger than max"),
        (prefixed(gzip.compress(b"x", mtime=0), 1), 0, "INTERNAL", "without grpc-encoding"),
        (prefixed(b"not gzip", 1), 31, "INTERNAL", "cannot be decompressed"),
        (prefixed(gzip.compress(b"x", mtime=0)[:-3], 1), 31, "INTERNAL", "incomplete"),
        (prefixed(gzip.compress(b"x", mtime=0) + b"more", 1), 31, "INTERNAL", "more than one"),
        (prefixed(b"x", 2), 31, "INTERNAL", "flag 2"),
    ],
)
def test_messages_that_cannot_be_had(data: bytes, wbits: int, status: str, words: str) -> None:
    with pytest.raises(MessageFault, match=words) as caught:
        list(reader(wbits=wbits).feed(data, 0, len(data)))
    assert caught.value.status == status


def test_a_message_of_the_most_bytes_is_taken() -> None:
    data = prefixed(b"x" * 1000) + prefixed(gzip.compress(b"y" * 1000), 1)
    assert list(reader(wbits=31).feed(data, 0, len(data))) == [b"x" * 1000, b"y" * 1000]


def test_a_bomb_is_not_unpacked() -> None:
    """A thousandth of what is in it; the reader must stop at its limit."""
    bomb = prefixed(gzip.compress(bytes(50_000_000)), 1)
    (message,) = reader(most_bytes=200_000, wbits=31, gathering=10**6).feed(bomb, 0, len(bomb))
    assert isinstance(message, LongMessage), "it is unpacked in a thread"
    with pytest.raises(MessageFault, match="larger than max"):
        message.read()


def test_unfinished_messages_of_a_connection_are_bounded_together() -> None:
    account = Account(Waiting(1000, 150))
    half = prefixed(b"x" * 500)[:100]
    first, second = MessageReader(1000, 0, account), MessageReader(1000, 0, account)
    list(first.feed(half, 0, 100))
    with pytest.raises(MessageFault, match="more than 150 bytes"):
        list(second.feed(half, 0, 100))
    first.drop()
    second.drop()
    assert account.bytes == 0


def test_a_message_in_a_million_pieces_weighs_what_it_holds() -> None:
    import tracemalloc

    data = prefixed(b"x" * 200_000)
    taker = reader(most_bytes=10**6, gathering=10**6)
    tracemalloc.start()
    messages = [message for at in range(len(data)) for message in taker.feed(data, at, at + 1)]
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert messages == [b"x" * 200_000]
    assert most_bytes < 1_000_000
