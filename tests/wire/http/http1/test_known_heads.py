"""Heads that came before: the request is the same as the parser's, however the body behind them is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from door import OK, POST, Door
from hypothesis import given, settings
from hypothesis import strategies as st

from naiad.wire.http.exchange import Exchange
from naiad.wire.http.http1.heads import KnownHeads

HEAD = POST.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
BODY = b"hello"


def seen(exchange: Exchange) -> tuple[object, ...]:
    return exchange.method, exchange.url, dict(exchange.headers), exchange.body, exchange.keep_alive


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


def test_a_head_without_its_body_is_learnt() -> None:
    """libcurl, and so Triton's perf_analyzer, sends the body after the head."""
    door = Door()
    for number in range(3):
        assert door.send(HEAD) == OK * number
        assert door.send(BODY) == OK * (number + 1)
    first, *others = door.exchanges
    assert all(other.headers is first.headers for other in others), "the parser would have made others"
    assert [seen(other) for other in others] == [seen(first)] * 2


@settings(max_examples=200, deadline=None)
@given(cuts=st.lists(st.lists(st.integers(0, 1000), max_size=4), min_size=2, max_size=6))
def test_requests_are_the_same_however_they_are_cut(cuts: list[list[int]]) -> None:
    door = Door()
    for number, places in enumerate(cuts):
        for piece in pieces(HEAD + b"%05d" % number, places):
            door.send(piece)
    assert [exchange.body for exchange in door.exchanges] == [b"%05d" % number for number in range(len(cuts))]
    assert len({repr(seen(exchange)[:3]) for exchange in door.exchanges}) == 1


@settings(max_examples=200, deadline=None)
@given(cuts=st.lists(st.integers(0, 1000), max_size=8))
def test_what_follows_a_known_request_is_read(cuts: list[int]) -> None:
    door = Door()
    door.send(POST)
    other = b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n"
    for piece in pieces(POST + other + POST, cuts):
        door.send(piece)
    assert [exchange.url for exchange in door.exchanges[1:]] == [b"/x?q=1", b"/other", b"/x?q=1"]


@pytest.mark.parametrize("start", [b"\r\n\r\n", b"\r\n"])
def test_empty_lines_before_a_request_are_no_head(start: bytes) -> None:
    door = Door()
    for _ in range(3):
        door.send(start + HEAD)
        door.send(BODY)
    assert [exchange.body for exchange in door.exchanges] == [BODY] * 3


def test_heads_of_many_headers_are_only_parsed() -> None:
    """Each header weighs far more than the bytes it comes in."""
    door = Door()
    for count, is_known in ((63, True), (64, False)):
        head = b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(b"x%d: 1\r\n" % at for at in range(count)) + b"\r\n"
        door.send(head)
        assert (door.connection._heads.recall(head, lambda: None) is not None) is is_known


def test_a_head_is_only_learnt_where_it_ends() -> None:
    known = KnownHeads()
    exchange = Exchange(lambda: None)
    exchange.method, exchange.url, exchange.headers = b"POST", b"/", {b"content-length": b"100"}
    known.learn(HEAD + b"x", exchange, received=0)
    known.learn(HEAD, exchange, received=101)
    assert known.recall(HEAD, lambda: None) is None
    known.learn(HEAD + b"x", exchange, received=1)
    found = known.recall(HEAD, lambda: None)
    assert found is not None
    assert found[1] == 100
