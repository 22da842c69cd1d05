"""Answers compressed by Triton's levels, as far as the client takes it."""

from __future__ import annotations

import os
import zlib

import pytest

from naiad.wire.grpc.compression import WINDOWS, choose_encoding, compress


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
