"""Limits on a live server, over real sockets: one clear error, and everybody else goes on."""

from __future__ import annotations

import gzip
import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import trustme

from naiad.testing import RunningServer, running_server

SIMPLE = str(Path(__file__).parents[2] / "data" / "model_repository" / "simple")
INFER = "/v2/models/simple/infer"
GOOD = orjson.dumps(
    {
        "inputs": [
            {"name": f"INPUT{at}", "datatype": "INT32", "shape": [1, 16], "data": list(range(16))} for at in range(2)
        ]
    }
)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(
        SIMPLE, http_max_input_size=10_000, http_max_binary_size=20_000, max_tensors=2, max_connections=3
    ) as running:
        yield running


def connect(server: RunningServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(server.address, timeout=20)


def ask(
    connection: http.client.HTTPConnection, body: bytes, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    connection.request("POST", INFER, body, headers or {})
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        (gzip.compress(bytes(9_000_000)), {"Content-Encoding": "gzip"}, b"Decompressed data size exceeds the maximum"),
        (b'{"inputs":' + b"[" * 200, {}, b"JSON nesting depth exceeds maximum allowed limit (100)"),
        (b'{"inputs":[1,2,3]}', {}, b"names 3 inputs; at most 2"),
        (b"x", {"Inference-Header-Content-Length": "99999999999"}, b"out of range"),
    ],
    ids=["bomb", "depth", "inputs", "header length"],
)
def test_the_connection_lives_on(server: RunningServer, body: bytes, headers: dict[str, str], words: bytes) -> None:
    connection = connect(server)
    status, answer = ask(connection, body, headers)
    assert status == 400
    assert words in answer
    assert ask(connection, GOOD)[0] == 200
    connection.close()


@pytest.mark.parametrize(
    ("size", "headers", "words"),
    [
        (1_000_000, {}, b"request JSON size of 1000000 bytes exceeds the maximum allowed input size of 10000 bytes"),
        (
            1_000_000,
            {"Inference-Header-Content-Length": "10"},
            b"exceeds the maximum of 20000 bytes for JSON and binary",
        ),
        (
            15_000,
            {"Inference-Header-Content-Length": "0"},
            b"raw input of 15000 bytes exceeds the maximum allowed value of 10000 bytes. Use --http-max-input-size",
        ),
        (1, {"X": "a" * 70_000}, b"request headers exceed the maximum of 65536 bytes"),
        (1, {f"X-{at}": "" for at in range(300)}, b"more than the maximum of 256 headers"),
    ],
)
def test_the_connection_closes_after_the_answer(
    server: RunningServer, size: int, headers: dict[str, str], words: bytes
) -> None:
    connection = connect(server)
    status, answer = ask(connection, bytes(size), headers)
    assert status in (400, 431)
    assert words in answer
    connection.close()


def test_a_binary_tail_may_be_larger_than_a_body(server: RunningServer) -> None:
    connection = connect(server)
    status, answer = ask(connection, b"{}" + bytes(15_000), {"Inference-Header-Content-Length": "2"})
    assert (status, b"exceeds" in answer) == (500, False)
    connection.close()


def test_one_connection_too_many(server: RunningServer) -> None:
    connections = [connect(server) for _ in range(4)]
    for connection in connections[:3]:
        assert ask(connection, GOOD)[0] == 200
    connections[3].connect()
    sock = connections[3].sock
    answer = b""
    while piece := sock.recv(4096):
        answer += piece
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"the server has reached its maximum of 3 connections" in answer
    assert ask(connections[0], GOOD)[0] == 200
    for connection in connections:
        connection.close()


def test_over_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    settings = {"http_tls_cert": str(tmp_path / "cert.pem"), "http_tls_key": str(tmp_path / "key.pem")}
    with running_server(SIMPLE, **settings, http_max_input_size=1000, http_header_timeout_s=0.2) as server:
        large = http.client.HTTPSConnection(server.address, context=context, timeout=20)
        status, answer = ask(large, bytes(5000))
        assert (status, b"exceeds the maximum allowed input size of 1000 bytes" in answer) == (400, True)
        large.close()
        slow = http.client.HTTPSConnection(server.address, context=context, timeout=20)
        slow.connect()
        slow.sock.sendall(b"GET / HTT")
        assert b"the request's headers did not arrive within 0.2 s" in slow.sock.recv(4096)
        assert slow.sock.recv(4096) == b""
        slow.close()
