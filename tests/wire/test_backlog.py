"""Closing a listening socket: no new handshakes, and everything that waits is taken."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from naiad.wire.backlog import handshake_s, refuse_handshakes, take_waiting


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.setblocking(False)
        yield made


def test_everything_that_waits_is_taken(listener: socket.socket) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(listener.getsockname(), 20)) for _ in range(20)]
        taken = [stack.enter_context(one) for one in take_waiting(listener)]
        assert [one.getpeername() for one in taken] == [client.getsockname() for client in clients]
        assert {one.gettimeout() for one in taken} == {0.0}
        assert take_waiting(listener) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a socket filter what comes to it")
def test_no_handshake_begins_any_more_and_connections_live_on(listener: socket.socket) -> None:
    with ExitStack() as stack:
        client = stack.enter_context(socket.create_connection(listener.getsockname(), 20))
        refuse_handshakes(listener)
        with pytest.raises(TimeoutError):
            socket.create_connection(listener.getsockname(), 0.05)
        (taken,) = (stack.enter_context(one) for one in take_waiting(listener))
        client.sendall(b"hello")
        taken.settimeout(20)
        assert taken.recv(5) == b"hello"


@pytest.mark.parametrize(("host", "is_quick"), [("127.0.0.1", True), ("0.0.0.0", False)])  # noqa: S104 — nobody comes
def test_a_handshake_within_the_machine_takes_no_time(host: str, is_quick: bool) -> None:
    with socket.create_server((host, 0)) as made:
        assert (handshake_s(made) < 0.01) is is_quick
