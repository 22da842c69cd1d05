"""A client that sends faster than it is answered, or does not read: it waits, and nothing grows."""

from __future__ import annotations

import asyncio

import pytest
from door import OK, POST, Door
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.errors import Exhausted
from naiad.protocol.limits import Limits
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.http1.capacity import Capacity
from naiad.wire.waiting import REQUEST_BYTES, Waiting


def test_only_so_many_requests_of_one_connection_are_under_way() -> None:
    door = Door(Limits(pipelined=2), answers=False)
    door.send(POST * 5)
    assert len(door.exchanges) == 2
    assert not door.wire.reading
    door.exchanges[0].answer(200, b"hello")
    assert len(door.exchanges) == 3
    assert not door.wire.reading
    for _ in range(4):
        door.exchanges[-1].answer(200, b"hello")
        door.exchanges[-2].answer(200, b"hello")
    assert door.wire.text == OK * 5
    assert door.wire.reading


def test_exactly_as_many_are_no_reason_to_wait() -> None:
    door = Door(Limits(pipelined=2), answers=False)
    door.send(POST * 2)
    assert door.wire.reading


async def test_ten_thousand_pipelined_requests_that_are_answered_at_once() -> None:
    """No recursion from answer to next request."""
    door = Door(Limits(pipelined=1))
    first: list[Exchange] = []
    door.connection._line.dispatch = first.append
    door.send(POST * 10_000)
    door.connection._line.dispatch = door._dispatch
    first[0].answer(200, b"hello")
    for _ in range(10_000 // 64):
        await asyncio.sleep(0)
    assert door.wire.text == OK * 10_000
    assert door.wire.reading


def test_waiting_requests_are_answered_even_if_the_last_one_closes() -> None:
    door = Door(Limits(pipelined=1), answers=False)
    door.send(POST + POST.replace(b"Host", b"Connection: close\r\nHost"))
    door.exchanges[0].answer(200, b"hello")
    assert not door.wire.closed
    door.exchanges[1].answer(200, b"hello")
    assert door.wire.closed
    assert door.wire.text.count(b"200 OK") == 2


def test_waiting_requests_of_a_client_that_leaves_are_never_dispatched() -> None:
    door = Door(Limits(pipelined=1), answers=False)
    door.send(POST * 3)
    door.connection.connection_lost(None)
    door.exchanges[0].answer(200)
    assert len(door.exchanges) == 1


def test_bodies_that_wait_for_their_answers_are_bounded_together() -> None:
    door = Door(Limits(body_bytes=8), answers=False)
    door.send(POST)
    assert door.wire.reading
    door.send(b"\r\n" + POST)
    assert not door.wire.reading
    door.exchanges[0].answer(200)
    assert door.wire.reading


def test_a_client_that_does_not_read_gets_nothing_more_to_read() -> None:
    door = Door(Limits(pipelined=2), answers=False)
    door.send(POST * 3)
    door.connection.pause_writing()
    assert not door.wire.reading
    door.exchanges[0].answer(200, b"hello")
    assert len(door.exchanges) == 2
    door.connection.resume_writing()
    assert len(door.exchanges) == 3
    assert door.wire.reading


def test_a_stream_to_a_client_that_does_not_read_is_cut_off() -> None:
    door = Door(Limits(unsent_bytes=100), answers=False)
    door.send(POST)
    gone: list[bool] = []
    door.exchanges[0].on_abandon = lambda: gone.append(True)
    door.exchanges[0].begin_stream(200, b"text/event-stream")
    door.exchanges[0].push(b"one")
    door.connection.pause_writing()
    door.wire.unsent = 100
    door.exchanges[0].push(b"two")
    assert not door.wire.aborted
    door.wire.unsent = 101
    door.exchanges[0].push(b"three")
    assert door.wire.aborted
    door.connection.connection_lost(None)
    assert gone == [True]


def test_bodies_on_their_way_are_bounded_for_all_connections_together() -> None:
    capacity = Capacity(waiting=Waiting(6, 6))
    first, second = Door(capacity=capacity), Door(capacity=capacity)
    first.send(POST[:-1])
    assert b"503 Service Unavailable" in second.send(POST[:-1])
    assert b"more than 6 bytes of requests and answers would wait in this server" in second.wire.text
    assert capacity.waiting.bytes == 4
    first.connection.connection_lost(None)
    assert capacity.waiting.bytes == 0


def test_what_a_client_that_left_had_sent_is_given_back() -> None:
    capacity = Capacity()
    door = Door(capacity=capacity)
    door.send(POST[:-1])
    door.connection.connection_lost(None)
    assert capacity.waiting.bytes == 0


def test_one_connection_too_many_is_told_so() -> None:
    capacity = Capacity(connections=0)
    door = Door(capacity=capacity)
    assert door.wire.text.startswith(b"HTTP/1.1 503")
    assert b"the server has reached its maximum of 0 connections; try again later" in door.wire.text
    assert door.wire.closed
    door.send(POST)
    assert door.exchanges == []


@given(
    st.lists(st.sampled_from(["send", "answer", "pause", "resume"]), max_size=60),
    st.integers(1, 4),
)
def test_every_request_is_answered_once_and_in_order_whatever_the_pace(steps: list[str], pipelined: int) -> None:
    door = Door(Limits(pipelined=pipelined), answers=False)
    sent, answered = 0, 0
    for step in [*steps, "resume", *["answer"] * 70]:
        if step == "send" and door.wire.reading:
            door.send(POST.replace(b"hello", b"%05d" % sent) * 1)
            sent += 1
        elif step == "answer" and answered < len(door.exchanges):
            door.exchanges[answered].answer(200, door.exchanges[answered].body)
            answered += 1
        elif step == "pause":
            door.connection.pause_writing()
        elif step == "resume":
            door.connection.resume_writing()
        assert len(door.exchanges) - answered <= pipelined
    assert door.wire.text == b"".join(OK.replace(b"hello", b"%05d" % at) for at in range(sent))
    assert door.wire.reading


def test_requests_that_wait_are_bounded_by_their_bytes() -> None:
    """Of one connection, and of all together; who is answered makes room."""
    size = REQUEST_BYTES + len(b"hello")
    waiting = Waiting(3 * size, 2 * size)
    first, second, third, fourth, fifth = (Door(answers=False, capacity=Capacity(waiting=waiting)) for _ in range(5))
    first.send(POST * 3)
    assert len(first.exchanges) == 2
    for exchange in first.exchanges:
        exchange.answer(200)
    assert b"would wait for this connection" in first.wire.text
    assert waiting.bytes == 0
    second.send(POST * 2)
    third.send(POST)
    assert b"would wait in this server" in fourth.send(POST)
    second.exchanges[0].answer(200)
    fifth.send(POST)
    assert len(fifth.exchanges) == 1
    for door in (second, third, fifth):
        door.connection.connection_lost(None)
    assert waiting.bytes == 0


def test_one_small_request_of_a_connection_is_not_counted() -> None:
    """Neither costs it anything to count, nor is it refused: as many as there are connections is the bound."""
    waiting = Waiting()
    door = Door(answers=False, capacity=Capacity(waiting=waiting))
    door.send(POST)
    counted = waiting.bytes
    assert counted == REQUEST_BYTES + len(b"hello"), "the head was not known yet"
    door.exchanges[0].answer(200)
    door.send(POST)
    assert waiting.bytes == 0
    door.send(POST)
    assert waiting.bytes == counted, "it is not the only one"
    door.exchanges[1].answer(200)
    door.exchanges[2].answer(200)
    assert waiting.bytes == 0
    large = POST.replace(b"Content-Length: 5", b"Content-Length: %d" % REQUEST_BYTES) + bytes(REQUEST_BYTES - 5)
    for _ in range(2):
        door.send(large)
        assert waiting.bytes == 2 * REQUEST_BYTES
        door.exchanges[-1].answer(200)
        assert waiting.bytes == 0


def test_what_a_small_request_is_read_to_is_counted() -> None:
    """A few compressed bytes may become megabytes."""
    waiting = Waiting(10_000, 10_000)
    door = Door(answers=False, capacity=Capacity(waiting=waiting))
    door.send(POST)
    door.exchanges[0].answer(200)
    door.send(POST)
    door.exchanges[1].count(9_000)
    assert waiting.bytes == 9_000
    with pytest.raises(Exhausted):
        door.exchanges[1].count(9_000)
    door.exchanges[1].answer(200)
    assert waiting.bytes == 0


def test_requests_without_a_body_are_never_refused_for_memory() -> None:
    capacity = Capacity(waiting=Waiting(1, 1))
    assert b"503" in Door(capacity=capacity).send(POST)
    assert b"200 OK" in Door(capacity=capacity).send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")


def test_answers_that_a_client_does_not_read_are_counted() -> None:
    waiting = Waiting()
    door = Door(answers=False, capacity=Capacity(waiting=waiting))
    door.send(POST)
    door.wire.unsent = 10_000
    door.connection.pause_writing()
    door.exchanges[0].answer(200)
    assert waiting.bytes == 10_000
    door.wire.unsent = 0
    door.connection.resume_writing()
    assert waiting.bytes == 0


GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


async def test_a_client_that_sends_without_pause_shares_the_loop() -> None:
    """What it has sent beyond its turn is read in the next ones, and nothing more meanwhile."""
    door = Door()
    door.send(GET * 5000)
    seen = len(door.exchanges)
    assert 0 < seen < 500
    assert not door.wire.reading
    door.send(GET * 10)
    await asyncio.sleep(0)
    assert seen < len(door.exchanges) < 1000
    for _ in range(5010 // seen):
        await asyncio.sleep(0)
    assert (len(door.exchanges), door.wire.reading) == (5010, True)


async def test_a_connection_that_is_lost_in_its_turn_is_read_no_more() -> None:
    door = Door()
    door.send(GET * 5000)
    seen = len(door.exchanges)
    door.connection.connection_lost(None)
    await asyncio.sleep(0)
    assert len(door.exchanges) == seen


async def test_a_long_body_is_put_together_in_a_thread_and_answers_keep_their_order() -> None:
    door, long = Door(capacity=Capacity()), bytes(range(256)) * 20_000
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(long)
    door.send(head + long + POST, piece=65536)
    assert b"hello" not in door.wire.text
    await asyncio.wait_for(door.capacity.worker.quiet(), 20)
    assert [len(exchange.body) for exchange in door.exchanges] == [5, len(long)]
    assert door.wire.text.index(long) < door.wire.text.index(b"hello")
