"""The lean client: the same answers and errors as the other, connections that are kept, and those that are gone."""

from __future__ import annotations

import socket
import threading

import pytest

from naiad.client import calls
from naiad.client.connection import Connection
from naiad.client.errors import Unreachable
from naiad.client.lean import LeanClient
from naiad.client.metadata import read_model
from naiad.core.errors import DeadlineExceeded, NotFound

from .conftest import EchoServer


def test_it_asks_and_reads_and_keeps_its_connection(server: EchoServer) -> None:
    client = LeanClient(Connection(server.address, headers={"X-Token": "t"}))
    for _ in range(3):
        assert client.send(calls.get_json("/v2/models/pair", read_model)).name == "pair"
    assert len(client._idle) == 1
    assert server.seen[-1][1]["X-Token"] == "t"
    with pytest.raises(NotFound):
        client.send(calls.get_json("/v2/models/nope", read_model))
    client.close()
    assert not client._idle


def test_a_kept_connection_that_the_server_has_closed_is_not_used(server: EchoServer) -> None:
    client = LeanClient(Connection(server.address))
    client.send(calls.health("/v2/health/live"))
    kept = client._idle[0]
    assert kept.sock is not None
    kept.sock.shutdown(socket.SHUT_RD)  # as if the server had closed it
    assert client.send(calls.health("/v2/health/live"))
    assert kept not in client._idle
    client.close()


def test_what_goes_wrong_on_the_way() -> None:
    with pytest.raises(Unreachable, match="no server answers at"):
        LeanClient(Connection("127.0.0.1:1")).send(calls.health("/v2/health/live"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(DeadlineExceeded, match=r"within 0\.05 s"):
            LeanClient(Connection(address)).send(calls.health("/v2/health/live"), 0.05)
        listener.accept()[0].close()

        def hang_up() -> None:
            listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(Unreachable, match="broke before the answer"):
            LeanClient(Connection(address)).send(calls.health("/v2/health/live"))
        thread.join()
