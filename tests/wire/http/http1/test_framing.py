"""What surrounds a body and a head: trailers, size lines and their extensions, the Host header, the version."""

from __future__ import annotations

import tracemalloc

import pytest
from door import OK, POST, Door

from naiad.protocol.limits import Limits
from naiad.wire.http.http1.chunks import Chunks

CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%b\r\n%b\r\n" % (len(data), extension, data)


# trailers


@pytest.mark.parametrize("piece", [0, 1, 1000])
def test_a_trailer_without_end_is_refused_as_a_head_is(piece: int) -> None:
    """It grew until the memory was full, and each piece of it was slower than the one before."""
    door = Door(Limits(header_bytes=2000))
    sent = door.send(CHUNKED + chunk(b"{}") + b"0\r\nX-T: " + b"a" * 5000, piece or 100)
    assert sent.startswith(b"HTTP/1.1 431")
    assert b"trailer and chunk extensions of the request exceed the maximum of 2000 bytes" in sent
    assert door.exchanges == []


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\nX: ", CHUNKED + b"0\r\nX-T: ", CHUNKED + chunk(b"a") + b"1;x="])
def test_a_line_without_end_is_refused_with_the_first_bytes_that_are_too_many(start: bytes) -> None:
    assert Door(Limits(header_bytes=2000)).send(start + b"a" * 2001).startswith(b"HTTP/1.1 431")
    assert Door(Limits(header_bytes=2000)).send(start + b"a" * 1900) == b""


def test_a_chunk_that_has_not_come_whole_is_no_line() -> None:
    door = Door(Limits(header_bytes=2000), answers=False)
    body = b"x" * 10_000
    assert door.send(CHUNKED + b"%x\r\n%b" % (len(body), body[:5000])) == b""
    door.send(body[5000:] + b"\r\n0\r\n\r\n")
    assert door.exchanges[0].body == body


def test_a_head_and_its_trailer_share_one_bound() -> None:
    head = CHUNKED.replace(b"Host", b"X: %b\r\nHost" % (b"a" * 60))
    trailer = b"0\r\nX-T: %b\r\n\r\n" % (b"a" * 60)
    assert Door(Limits(header_bytes=200)).send(head + trailer).startswith(b"HTTP/1.1 200")
    assert Door(Limits(header_bytes=150)).send(head + trailer).startswith(b"HTTP/1.1 431")
    assert Door(Limits(headers=3)).send(head + trailer).startswith(b"HTTP/1.1 431")


def test_an_endless_trailer_takes_no_more_memory_than_the_bound() -> None:
    door = Door(answers=False)
    door.send(CHUNKED + b"0\r\nX-T: ")
    tracemalloc.start()
    for _ in range(64):
        door.connection.data_received(b"a" * 65_536)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert door.wire.text.startswith(b"HTTP/1.1 431")
    assert most_bytes < 500_000


@pytest.mark.parametrize("piece", [0, 1])
@pytest.mark.parametrize(
    "field",
    [
        b"Content-Encoding: gzip",
        b"Inference-Header-Content-Length: 2",
        b"admin-key: SECRET",
        b"X-Thing: 1",
        b"Origin: http://evil.example",
        b"Host: other",
        b"Connection: keep-alive",
    ],
)
def test_a_field_of_a_trailer_is_no_header(field: bytes, piece: int) -> None:
    """It took effect as if it had stood in front: a secret there opened what is restricted."""
    door = Door(answers=False)
    door.send(CHUNKED + chunk(b"hello") + b"0\r\n" + field + b"\r\n\r\n" + POST, piece)
    first, second = door.exchanges
    assert dict(first.headers) == {b"host": b"h", b"transfer-encoding": b"chunked"}
    assert first.body == b"hello"
    assert second.headers[b"x-thing"] == b"1, 2"


# size lines


@pytest.mark.parametrize("piece", [0, 1, 7])
def test_a_chunk_that_is_announced_too_large_is_refused_before_it_comes(piece: int) -> None:
    door = Door(Limits(body_bytes=100))
    sent = door.send(CHUNKED + chunk(b"x" * 40) + b"0003d;a=b\r\n", piece)
    assert b"request JSON size of 101 bytes exceeds the maximum allowed input size of 100 bytes" in sent
    assert door.exchanges == []


@pytest.mark.parametrize("piece", [0, 1, 2, 3, 5, 50])
def test_chunks_up_to_the_limit_are_taken_however_they_are_cut(piece: int) -> None:
    body = bytes(range(32, 100)) + b"\r\n1f\r\n" + b"x" * 26
    door = Door(Limits(body_bytes=100), answers=False)
    door.send(CHUNKED + chunk(body[:40], b";a") + chunk(body[40:70]) + chunk(body[70:]) + b"0\r\n\r\n" + POST, piece)
    assert [exchange.body for exchange in door.exchanges] == [body, b"hello"]


def test_a_size_is_read_from_the_last_line_alone() -> None:
    chunks = Chunks()
    chunks.begin(0)
    assert chunks.announced(b"00A \t;x=y\r\nabc", 3) == 10
    assert chunks.announced(b"defg", 7) == 0, "the size has been read"
    chunks.end()
    assert chunks.announced(b"hij\r\n1", 10) == 0, "the line has no end yet"
    chunks.begin(10)
    assert chunks.announced(b"f\r\n", 10) == 10 + 0x1F
    chunks.begin(10)
    assert chunks.announced(b"0\r\nA: 5\r\nB: 6", 10) == 0, "a trailer, behind the last chunk"
    for behind in (b"99999999999", b"A: 5\r\n", b"A: 5\r\n9999999"):
        chunks.begin(10)
        assert chunks.announced(b"0\r\n" + behind, 10) == 0


@pytest.mark.parametrize("piece", [0, 1, 2, 3, 4, 5, 6, 7, 8])
def test_the_name_of_a_trailers_field_is_no_size(piece: int) -> None:
    """Where a piece ended within it, it was read as one."""
    door = Door(Limits(body_bytes=100), answers=False)
    door.send(CHUNKED + chunk(b"hello") + b"0\r\n99999999a: b\r\nabcdef: 1\r\n\r\n" + POST, piece)
    assert [exchange.body for exchange in door.exchanges] == [b"hello", b"hello"]


@pytest.mark.parametrize("line", [b"1;x=" + b"a" * 5000, b"0" * 5000 + b"1"])
def test_a_size_line_without_end_is_refused(line: bytes) -> None:
    door = Door(Limits(header_bytes=2000))
    assert door.send(CHUNKED + line + b"\r\na\r\n", 100).startswith(b"HTTP/1.1 431")


def test_many_chunks_with_short_extensions_are_no_trailer() -> None:
    door = Door(Limits(header_bytes=2000), answers=False)
    door.send(CHUNKED + chunk(b"a", b";name=value") * 10_000 + b"0\r\n\r\n", 1000)
    assert door.exchanges[0].body == b"a" * 10_000


def test_what_many_chunks_did_not_need_is_no_credit_for_a_trailer() -> None:
    door = Door(Limits(header_bytes=2000))
    sent = door.send(CHUNKED + chunk(b"a") * 10_000 + b"0\r\nX: " + b"a" * 5000, 1000)
    assert sent.startswith(b"HTTP/1.1 431")


# Host and version


@pytest.mark.parametrize("piece", [0, 1])
def test_a_request_of_http_1_1_names_its_host_once(piece: int) -> None:
    """RFC 9112, 3.2: a proxy in front might take another one than we do."""
    for hosts in (b"", b"Host: a\r\nHost: b\r\n", b"Host: a\r\nhost: a\r\n", b"Host: a, b\r\n"):
        door = Door()
        sent = door.send(b"GET / HTTP/1.1\r\n" + hosts + b"\r\n" + POST, piece)
        assert sent.startswith(b"HTTP/1.1 400")
        assert b"the request must have one Host header, and one host in it" in sent
        assert (door.exchanges, sent.count(b"HTTP/1.1 ")) == ([], 1)


def test_http_1_0_needs_no_host() -> None:
    assert Door().send(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_http_2_in_a_request_line_is_refused() -> None:
    door = Door()
    sent = door.send(b"GET / HTTP/2.0\r\nHost: h\r\n\r\n")
    assert sent.startswith(b"HTTP/1.1 505 HTTP Version Not Supported")
    assert b"HTTP/2.0 is not spoken on this port; use HTTP/1.1" in sent
    assert door.exchanges == []


def test_a_known_head_is_still_known_behind_these_checks() -> None:
    assert Door().send(POST * 2) == OK * 2
