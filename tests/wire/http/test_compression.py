"""gzip and deflate, bounded."""

from __future__ import annotations

import gzip
import zlib

import pytest

from naiad.core.errors import InvalidRequest, Unsupported
from naiad.wire.http.compression import choose, deflate, inflate


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_both_ways(encoding: bytes) -> None:
    assert inflate(deflate(b"x" * 1000, encoding), encoding, 1000) == b"x" * 1000


def test_the_container_is_recognised_whatever_the_header_says() -> None:
    assert inflate(gzip.compress(b"abc"), b"deflate", 10) == b"abc"
    assert inflate(zlib.compress(b"abc"), b"gzip", 10) == b"abc"


def test_identity() -> None:
    assert inflate(b"abc", b"", 1) == b"abc"
    assert inflate(b"abc", b"identity", 1) == b"abc"


def test_a_bomb_stops_at_the_limit() -> None:
    with pytest.raises(InvalidRequest, match="Decompressed data size exceeds the maximum allowed value of 1000 bytes"):
        inflate(gzip.compress(b"0" * 10_000_000), b"gzip", 1000)


def test_broken_data() -> None:
    with pytest.raises(InvalidRequest, match="not valid gzip data"):
        inflate(b"nonsense", b"gzip", 100)
    with pytest.raises(InvalidRequest, match="ends too early"):
        inflate(gzip.compress(b"abc")[:-4], b"gzip", 100)


def test_unknown_encoding() -> None:
    with pytest.raises(Unsupported, match="Unsupported compression type"):
        inflate(b"", b"br", 100)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (b"", b""),
        (b"gzip, deflate", b"gzip"),
        (b"deflate;q=0.5, gzip;q=0.4", b"deflate"),
        (b"gzip;q=0.5, identity", b""),
        (b"identity;q=0.1, gzip;q=0.9", b"gzip"),
        (b"gzip;q=0", b""),
        (b"br, zstd", b""),
        (b"gzip;q=nonsense", b""),
    ],
)
def test_what_is_chosen(accept: bytes, chosen: bytes) -> None:
    assert choose(accept) == chosen


def test_a_bomb_takes_no_memory() -> None:
    """What would become a hundred megabytes is inflated to one."""
    import tracemalloc

    bomb = gzip.compress(bytes(100_000_000), 1)
    tracemalloc.start()
    with pytest.raises(InvalidRequest, match="Decompressed data size exceeds"):
        inflate(bomb, b"gzip", 1_000_000)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 5_000_000
