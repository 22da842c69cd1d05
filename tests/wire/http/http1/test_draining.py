"""A listener that takes no more connections: what clients have begun is answered, whatever moment it comes in."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import pytest
from door import OK, POST

from naiad.protocol.limits import Limits
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.http1.listener import HttpListener

LAST = OK.replace(b"Content", b"Connection: close\r\nContent", 1)
WAIT_S = 20.0


@asynccontextmanager
async def listening() -> AsyncIterator[HttpListener]:
    def answer(exchange: Exchange) -> None:
        exchange.answer(200, exchange.body)

    listener = HttpListener(answer, Limits())
    await listener.open(("127.0.0.1",), 0, "--http-port")
    try:
        yield listener
    finally:
        await listener.close()


def read_all(client: socket.socket) -> bytes:
    found = b""
    while piece := client.recv(65536):
        found += piece
    return found


async def test_connections_that_wait_to_be_taken_are_answered_and_not_reset() -> None:
    async with listening() as listener:
        with ExitStack() as stack:
            clients = []
            for _ in range(100):  # in one turn of the loop, so that all of them wait
                client = stack.enter_context(socket.create_connection(("127.0.0.1", listener.port), WAIT_S))
                client.sendall(POST)
                clients.append(client)
            await listener.stop_accepting()
            await asyncio.wait_for(listener.wait_closed(), WAIT_S)
            assert [read_all(client) for client in clients] == [LAST] * 100
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", listener.port), WAIT_S)


async def test_a_request_on_its_way_is_answered() -> None:
    """The client keeps its connection, and cannot know that the server is going."""
    async with listening() as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(POST)
        assert await reader.readexactly(len(OK)) == OK
        await listener.stop_accepting()
        telling = asyncio.ensure_future(listener.wait_told())
        writer.write(POST)
        assert await asyncio.wait_for(reader.read(), WAIT_S) == LAST
        await telling
        writer.close()


async def test_a_client_that_sends_nothing_does_not_hold_it_up() -> None:
    async with listening() as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        await listener.stop_accepting()
        await asyncio.wait_for(listener.wait_told(), WAIT_S)
        listener.finish_connections()
        await asyncio.wait_for(listener.wait_closed(), WAIT_S)
        assert await reader.read() == b""
        writer.close()
