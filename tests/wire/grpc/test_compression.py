"""Answers compressed by Triton's levels, as far as the client takes it."""

from __future__ import annotations

import os
import zlib
from typing import cast

import pytest

from naiad.core.clock import monotonic
from naiad.serving.worker import Worker
from naiad.wire.grpc.compression import WINDOWS, choose_encoding, compress
from naiad.wire.grpc.http2.framing.streams import Stream
from naiad.wire.grpc.http2.framing.turn import Turn
from naiad.wire.grpc.http2.rpc.call import CallShare, RpcCall
from naiad.wire.grpc.http2.rpc.head import interpret
from naiad.wire.grpc.http2.rpc.messages import PREFIX, PREFIX_BYTES
from naiad.wire.waiting import Account


@pytest.mark.parametrize(
    ("level", "accepted", "expected"),
    [
        ("low", "identity, deflate, gzip", "gzip"),
        ("medium", "identity, deflate, gzip", "deflate"),
        ("high", "identity,deflate,gzip", "deflate"),
        ("low", "deflate", "deflate"),
        ("medium", "identity,gzip", "gzip"),
        ("high", "gzip", "gzip"),
        ("high", "identity", ""),
        ("low", "", ""),
        ("low", "snappy, zstd", ""),
    ],
)
def test_the_encoding_follows_level_and_client(level: str, accepted: str, expected: str) -> None:
    assert choose_encoding(level, accepted) == expected


@pytest.mark.parametrize("encoding", WINDOWS)
def test_a_message_comes_back(encoding: str) -> None:
    message = b"ten bytes " * 1000
    made = compress(message, encoding)
    assert len(made) < len(message) / 10
    assert zlib.decompress(made, WINDOWS[encoding]) == message


@pytest.mark.parametrize("encoding", WINDOWS)
def test_what_would_grow_stays_as_it_is(encoding: str) -> None:
    for message in (b"", b"short", os.urandom(1000)):
        assert compress(message, encoding) is message


class Sent:
    """A stream that keeps what is sent."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        self.data = b""

    def send_headers(self, block: bytes, ends: bool = False) -> None:
        self.blocks.append(block)

    def send_opening(self, block: bytes, data: bytes) -> None:
        self.send_headers(block)
        self.send_data(data)

    def send_data(self, data: bytes) -> None:
        self.data += data


@pytest.mark.parametrize(("message", "flag"), [(b"long " * 200, 1), (b"short", 0)])
def test_the_prefix_says_whether_a_message_is_compressed(message: bytes, flag: int) -> None:
    head = interpret([(b":method", b"POST"), (b":path", b"/a/B"), (b"content-type", b"application/grpc"),
                      (b"grpc-accept-encoding", b"identity, gzip")])  # fmt: skip
    sent = Sent()
    call = RpcCall(cast("Stream", sent), head, None, 1000, CallShare(Account(), Turn(monotonic), Worker()))
    call.compress("high")
    call.send(message)
    call.finish()
    assert b"grpc-encoding\x04gzip" in sent.blocks[0]
    made, length = PREFIX.unpack_from(sent.data)
    body = sent.data[PREFIX_BYTES:]
    assert (made, length) == (flag, len(body))
    assert (zlib.decompress(body, 31) if flag else body) == message
