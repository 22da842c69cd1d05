"""The wire itself, both ends in one process: small and long packets, descriptors, and what is none of its messages."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator

import numpy as np
import orjson
import pytest

from naiad.backends.python.worker import wire
from naiad.backends.python.worker.link import dumps
from naiad.backends.python.worker.regions import Mapped, Owned
from naiad.backends.python.worker.strings import decode_strings, encode_strings
from naiad.backends.python.worker.tensors import Packed, Unpacked
from naiad.backends.python.worker.wire import Channel, Garbled


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    """The server's end, and the worker's."""
    ours, theirs = wire.pair()
    channels = Channel(ours, orjson.dumps, orjson.loads), Channel(theirs, dumps, json.loads, is_writable=True)
    yield channels
    for one in channels:
        one.close()


@pytest.mark.parametrize("length", [0, 1, 1000, wire.MOST_BYTES - 200, wire.MOST_BYTES, 10_000_000])
def test_packets_of_any_length(ends: tuple[Channel, Channel], length: int) -> None:
    for here, there in (ends, ends[::-1]):
        here.send(wire.ASK, {"text": "é" * (length // 2)}, [b"tail"])
        message = there.receive()
        assert message is not None
        assert (message.kind, message.header) == (wire.ASK, {"text": "é" * (length // 2)})
        assert bytes(message.frame[message.tail :]) == b"tail"
        assert message.tail % wire.ALIGNMENT == 0
        assert message.descriptors == []


def test_the_end_of_the_other_side(ends: tuple[Channel, Channel]) -> None:
    ends[0].close()
    assert ends[1].receive() is None
    with pytest.raises(OSError, match="Broken pipe"):
        ends[1].send(wire.ASK, {})


def test_texts_that_are_not_unicode_arrive_all_the_same(ends: tuple[Channel, Channel]) -> None:
    ends[1].send(wire.LOG, {"text": "a\ud800b"})
    message = ends[0].receive()
    assert message is not None
    assert message.header == {"text": "a?b"}


@pytest.mark.parametrize(
    "raw",
    [
        b"x",
        b"nonsense nonsense",
        wire.PREFIX.pack(1, 0, 2**32 - 1) + b"{}",
        wire.PREFIX.pack(1, 0, 4) + b"[1] ",
        wire.PREFIX.pack(1, wire.SPILLED, 5),
        wire.PREFIX.pack(1, 0, 2) + b"{}" + bytes(wire.MOST_BYTES),
    ],
)
def test_what_is_no_packet(ends: tuple[Channel, Channel], raw: bytes) -> None:
    ends[1].connection.send(raw)
    with pytest.raises(Garbled):
        ends[0].receive()


def test_a_spilled_packet_that_is_shorter_than_it_says(ends: tuple[Channel, Channel]) -> None:
    memory = os.memfd_create("short")
    socket.send_fds(ends[1].connection, [wire.PREFIX.pack(1, wire.SPILLED, 1 << 31)], [memory])
    os.close(memory)
    with pytest.raises(Garbled):
        ends[0].receive()


def sent(ends: tuple[Channel, Channel], owned: Owned, mapped: Mapped, *arrays: np.ndarray) -> list[np.ndarray]:
    packed = Packed(owned)
    rows = [packed.add(str(index), "FP32", data) for index, data in enumerate(arrays)]
    packed.send(ends[0], wire.EXECUTE, {"rows": rows})
    message = ends[1].receive()
    assert message is not None
    unpacked = Unpacked(message, mapped)
    return [unpacked.array(row) for row in message.header["rows"]]


def test_regions_are_used_again_and_given_up(ends: tuple[Channel, Channel]) -> None:
    owned, mapped = Owned(), Mapped(is_writable=True)
    large = [np.full(200_000, seed, np.float32) for seed in range(9)]
    (first,) = sent(ends, owned, mapped, large[0])
    del first
    (second,) = sent(ends, owned, mapped, large[1])
    assert len(owned._regions) == 1
    held = [sent(ends, owned, mapped, data)[0] for data in large[2:]]
    assert [int(one[0]) for one in [second, *held]] == list(range(1, 9))
    assert len(owned._regions) == 8
    del second, held
    (last,) = sent(ends, owned, mapped, np.ones(2_000_000, np.float32))
    assert last.sum() == 2_000_000
    sent(ends, owned, mapped, large[0])
    assert len(owned._regions) <= 5
    assert len(mapped._regions) == len(owned._regions)
    owned.close()


def test_large_and_small_tensors_share_a_message(ends: tuple[Channel, Channel]) -> None:
    owned, mapped = Owned(), Mapped(is_writable=True)
    given = [np.arange(count, dtype=np.float32).reshape(-1, 1) for count in (3, 5000, 0, 1, 70_000, 2)]
    got = sent(ends, owned, mapped, *given)
    assert all(np.array_equal(one, other) for one, other in zip(given, got, strict=True))
    assert all(one.flags.aligned and one.flags.writeable for one in got)
    owned.close()


def test_memory_that_could_shrink_is_refused() -> None:
    memory = os.memfd_create("loose", os.MFD_ALLOW_SEALING)
    os.ftruncate(memory, 4096)
    with pytest.raises(ValueError, match="not sealed"):
        Mapped(is_writable=False).add(1, memory)


@pytest.mark.parametrize(
    "row",
    [
        ["x", "FP32", [2], 8, 1 << 40],
        ["x", "FP32", [-2], 8, 0],
        ["x", "FP32", [2], 7, 0],
        ["x", "FP32", [2], 8, -1],
        ["x", "FP32", [1 << 62], 8, 0],
        ["x", "FP32", "2", 8, 0],
        ["x", "NONE", [2], 8, 0],
        ["x", "BYTES", [1 << 60], 8, 0],
        ["x", "BYTES", [1], 8, 0],
        ["x", "BYTES", [-1], 8, 0],
        ["x", "FP32", [2]],
        None,
        5,
    ],
)
def test_rows_that_make_no_sense(row: object) -> None:
    message = wire.Message(wire.DONE, {}, b"\0" * 15 + b"\x09" * 17, 16, [])
    with pytest.raises(Garbled):
        Unpacked(message, Mapped(is_writable=False)).array(row)  # type: ignore[arg-type]


@pytest.mark.parametrize("raw", [b"\1\0\0\0", b"\1\0\0", b"\0\0\0\0\0", b"\5\0\0\0abc"])
def test_strings_that_do_not_fill_their_shape(raw: bytes) -> None:
    with pytest.raises(ValueError, match="string"):
        decode_strings(raw, 1)


def test_strings_of_every_kind() -> None:
    data = np.array([b"\0", "é", b"", 5, memoryview(b"x")], object)
    assert decode_strings(encode_strings(data), 5).tolist() == [b"\0", "é".encode(), b"", b"5", b"x"]
