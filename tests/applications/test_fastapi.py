"""A FastAPI application, as its clients see it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from served_application import Serve

from naiad.testing import RunningServer

pytest.importorskip("fastapi", reason="FastAPI is not installed")


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notes") / "notes"


@pytest.fixture(scope="module")
def server(serve: Serve, notes: Path) -> Iterator[RunningServer]:
    with serve("fastapi_app.py", variables={"NOTES": str(notes)}) as running:
        assert running.all_loaded
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=20) as one:
        yield one


def test_validation_documents_and_errors(client: httpx2.Client) -> None:
    wrong = client.post("/double", json={"x": "many"})
    assert (wrong.status_code, wrong.json()["detail"][0]["loc"]) == (422, ["body", "x"])
    assert "/double" in client.get("/openapi.json").json()["paths"]
    assert client.get("/docs").status_code == 200
    assert client.get("/refused").json() == {"detail": "not you"}
    failed = client.get("/fails")
    assert failed.status_code == 500
    assert "secret" not in failed.text


def test_what_the_lifespan_keeps_reaches_requests(client: httpx2.Client, server: RunningServer) -> None:
    assert client.get("/state").json() == {"model": "loaded", "client": "127.0.0.1", "url": f"{server.url}/state"}


async def test_coroutines_are_joined(server: RunningServer) -> None:
    async with httpx2.AsyncClient(base_url=server.url, timeout=20) as client:
        answers = await asyncio.gather(*(client.post("/double", json={"x": at}) for at in range(40)))
    assert [one.json()["y"] for one in answers] == [2.0 * at for at in range(40)]
    assert max(one.json()["rows"] for one in answers) > 5


@pytest.mark.parametrize("path", ["/lengths", "/lengths/async"])
def test_plain_functions_are_joined_from_either_kind_of_endpoint(client: httpx2.Client, path: str) -> None:
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda at: client.post(path, json=["x" * at, "yy"]).json(), range(20)))
    assert answers == [[at, 2] for at in range(20)]


def test_uploads_streams_head_and_mounted_applications(client: httpx2.Client) -> None:
    answer = client.post("/upload", files={"file": ("a", b"x" * 3_000_000)}, data={"more": "words"})
    assert answer.json() == {"name": "a", "size": 3_000_000, "more": "words"}
    assert client.get("/stream?n=500").text == "".join(f"{index}\n" * 1000 for index in range(500))
    assert client.get("/sub/b%20c").text == "/sub b c"
    assert client.head("/state").status_code == 405
    where = client.get("/old", headers={"Host": "shop.example"}).headers["location"]
    assert where == "http://shop.example/state"


def test_parts_come_as_they_are_sent(client: httpx2.Client) -> None:
    with client.stream("GET", "/stream?n=3&pause=0.2") as answer:
        sizes = [len(part) for part in answer.iter_raw()]
    assert len(sizes) >= 3


def test_a_client_that_leaves_ends_its_stream(client: httpx2.Client, server: RunningServer) -> None:
    before = len(client.get("/seen").json())
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"GET /stream?n=1000000&pause=0.001 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    while len(client.get("/seen").json()) == before:  # it ends, or this test runs out of time
        pass


def test_websockets_are_refused_by_name(client: httpx2.Client) -> None:
    asks = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x", "Sec-WebSocket-Version": "13"}
    assert client.get("/ws", headers=asks).status_code == 501


def test_background_tasks_end_before_the_application_does(serve: Serve, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    with serve("fastapi_app.py", variables={"NOTES": str(notes)}) as server:
        assert httpx2.get(f"{server.url}/later?s=0.5", timeout=20).json() == "told"
        assert notes.read_text() == "startup\n"
    assert notes.read_text() == "startup\nbackground\nshutdown\n"
