"""How long a client may take: by a manual clock, and then with real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from door import OK, POST, Door

from naiad.protocol.limits import Limits
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.http1.listener import HttpListener
from naiad.wire.http.http1.timeouts import HttpTimes, Stage, allowed_s

TIMES = HttpTimes(header_s=10, body_s=20, body_rate=2, idle_s=100, write_s=30, linger_s=5)
LATE_S = 2 * 2.5
"""Two looks."""


@pytest.mark.parametrize(
    ("stage", "expected_s"),
    [
        (Stage.IDLE, 100),
        (Stage.HEADERS, 10),
        (Stage.BODY, 25),
        (Stage.SENDING, 30),
        (Stage.LINGERING, 5),
        (Stage.WORKING, None),
    ],
)
def test_what_is_allowed(stage: Stage, expected_s: float | None) -> None:
    assert allowed_s(stage, TIMES, 10) == expected_s


def test_headers_that_never_end() -> None:
    door = Door(times=TIMES)
    door.send(POST[:28])
    for _ in range(9):  # a byte now and then does not help
        door.wait(1)
        door.send(b"a")
    assert door.wire.text == b""
    door.wait(1 + LATE_S)
    assert door.wire.text.startswith(b"HTTP/1.1 408 Request Timeout")
    assert b"the request's headers did not arrive within 10 s" in door.wire.text
    assert door.wire.has_ended
    door.wait(5 + LATE_S)
    assert door.wire.aborted


def test_a_body_that_never_ends() -> None:
    door = Door(times=TIMES)
    door.send(POST[:-3])
    door.wait(20)
    assert door.wire.text == b""
    door.wait(1 + LATE_S)
    assert b"the request's body did not arrive within 21 s" in door.wire.text


def test_a_long_body_may_take_long() -> None:
    door = Door(times=TIMES)
    door.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200\r\n\r\n")
    for _ in range(99):
        door.send(b"12")
        door.wait(1)
    assert door.send(b"34").startswith(b"HTTP/1.1 200")


def test_a_connection_that_is_not_used() -> None:
    door = Door(times=TIMES)
    door.wait(90)
    door.send(POST)
    door.wait(99)
    assert not door.wire.closed
    door.wait(LATE_S)
    assert door.wire.closed
    assert door.wire.text == OK


def test_a_model_may_take_its_time() -> None:
    door = Door(times=TIMES, answers=False)
    door.send(POST)
    door.wait(10_000)
    assert not door.wire.closed
    door.exchanges[0].answer(200, b"hello")
    assert door.wire.text == OK


@pytest.mark.parametrize("closes", [False, True])
def test_an_answer_that_is_never_read(closes: bool) -> None:
    door = Door(times=TIMES)
    door.send(POST.replace(b"Host", b"Connection: close\r\nHost") if closes else POST)
    for unsent in range(1000, 900, -1):  # as long as it reads at all
        door.wire.unsent = unsent
        door.wait(29)
    assert not door.wire.aborted
    door.wait(30 + LATE_S)
    assert door.wire.aborted


def test_the_watch_rests_when_there_is_nothing_to_watch() -> None:
    door = Door(times=TIMES)
    assert len(door.rings) == 1
    door.connection.connection_lost(None)
    door.wait(10)
    assert door.rings == []


@asynccontextmanager
async def listening(times: HttpTimes) -> AsyncIterator[tuple[HttpListener, asyncio.Event]]:
    arrived = asyncio.Event()

    def answer(exchange: Exchange) -> None:
        arrived.set()
        exchange.answer(200, exchange.body if exchange.url != b"/large" else bytes(50_000_000))

    listener = HttpListener(answer, Limits(), times)
    await listener.open(("127.0.0.1",), 0, "--http-port")
    try:
        yield listener, arrived
    finally:
        await listener.close()


SHORT = HttpTimes(header_s=0.05, body_s=0.05, body_rate=1000, idle_s=0.05, write_s=0.05, linger_s=0.05)
PATIENT = HttpTimes()


@pytest.mark.parametrize(("sent", "words"), [(POST[:30], b"headers did"), (POST[:-3], b"body did"), (b"", b"")])
async def test_slow_clients_on_a_socket(sent: bytes, words: bytes) -> None:
    async with listening(SHORT) as (listener, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(sent)
        text = await asyncio.wait_for(reader.read(), 20)
        assert words in text
        assert text.startswith(b"HTTP/1.1 408" if words else b"")
        writer.close()


async def test_a_client_that_never_reads_on_a_socket() -> None:
    async with listening(SHORT) as (listener, arrived):
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port, limit=1024)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a stream's
        writer.write(POST.replace(b"/x", b"/large"))
        await asyncio.wait_for(arrived.wait(), 20)
        (connection,) = listener._connections
        await asyncio.wait_for(connection.lost.wait(), 20)
        writer.close()


async def test_a_refused_client_can_read_why_although_it_is_still_sending() -> None:
    async with listening(PATIENT) as (listener, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        size = 80_000_000
        writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 1_000_000):
            writer.write(bytes(1_000_000))
            await writer.drain()
        text = await asyncio.wait_for(reader.read(), 20)
        assert text.startswith(b"HTTP/1.1 400")
        assert b"request JSON size of 80000000 bytes exceeds the maximum" in text
        writer.close()
