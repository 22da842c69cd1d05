"""A Flask application, as its clients see it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from served_application import Serve

from naiad.testing import RunningServer

pytest.importorskip("flask", reason="Flask is not installed")


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[RunningServer]:
    with serve("flask_app.py") as running:
        assert running.all_loaded
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=20) as one:
        yield one


def test_queries_headers_and_hooks(client: httpx2.Client) -> None:
    answer = client.get("/?name=Ada", headers={"X-Asked": "twice"})
    assert (answer.status_code, answer.text) == (200, "hello Ada twice")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-hook"] == "before"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
def test_methods_and_bodies(client: httpx2.Client, method: str) -> None:
    answer = client.request(method, "/echo", content=b"\x00\xff bytes", headers={"Content-Type": "application/x-it"})
    assert (answer.content, answer.headers["x-method"]) == (b"\x00\xff bytes", method)
    assert answer.headers["x-type"] == "application/x-it"


def test_a_body_in_chunks(client: httpx2.Client) -> None:
    assert client.post("/echo", content=iter([b"one ", b"two"])).content == b"one two"


def test_head_has_the_length_and_no_body(client: httpx2.Client) -> None:
    answer = client.head("/?name=Ada")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len("hello Ada "))
    assert client.head("/stream").status_code == 200
    assert client.get("/").status_code == 200  # on the same connection


def test_options_and_the_wrong_method(client: httpx2.Client) -> None:
    assert sorted(client.options("/double").headers["allow"].split(", ")) == ["OPTIONS", "POST"]
    assert client.get("/double").status_code == 405


def test_errors_are_the_applications(client: httpx2.Client) -> None:
    assert client.get("/teapot").status_code == 418
    assert client.get("/there/is/none").status_code == 404
    failed = client.get("/fails")
    assert failed.status_code == 500
    assert "secret" not in failed.text
    nothing = client.get("/nothing")
    assert (nothing.status_code, nothing.content) == (204, b"")
    assert "content-length" not in nothing.headers


def test_cookies_and_sessions(client: httpx2.Client) -> None:
    assert [client.get("/visits").text for _ in range(3)] == ["1", "2", "3"]
    assert client.get("/header").headers.get_list("set-cookie") == ["a=1", "b=2"]


def test_blueprints_and_paths_that_are_decoded_once(client: httpx2.Client) -> None:
    assert client.get("/below/41/a%20b/c%2525").text == "42 a b/c%25"


def test_an_upload_of_many_bytes(client: httpx2.Client) -> None:
    data = bytes(range(256)) * 40_000  # 10 MB, which cross in shared memory
    answer = client.post("/upload", files={"file": ("a.bin", data)}, data={"more": "words"})
    assert answer.json() == {"name": "a.bin", "size": len(data), "ends": [254, 255], "more": "words"}


def test_streams_of_any_length(client: httpx2.Client) -> None:
    with client.stream("GET", "/stream") as answer:
        assert answer.headers["transfer-encoding"] == "chunked"
        assert "".join(answer.iter_text()) == "0\n1\n2\n"
    assert len(client.get("/stream?n=200&times=20000").content) == 10 * 40_000 + 90 * 60_000 + 100 * 80_000


def test_a_response_that_breaks_off_is_not_taken_for_whole(client: httpx2.Client) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        client.get("/breaks")


def test_redirects_name_the_host_that_was_asked(client: httpx2.Client) -> None:
    answer = client.get("/old", headers={"Host": "shop.example:81"})
    assert (answer.status_code, answer.headers["location"]) == (302, "/?name=new")
    told = client.get("/where?a=b%20c", headers={"Host": "shop.example:81"}).json()
    assert told == {"url": "http://shop.example:81/", "client": "127.0.0.1", "path": "/where", "query": "a=b%20c"}


def test_a_proxy_is_believed_only_where_that_is_said(client: httpx2.Client, serve: Serve) -> None:
    said = {
        "X-Forwarded-For": "6.6.6.6, 10.1.2.3",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example, shop.example",
    }
    assert client.get("/where", headers=said).json()["client"] == "127.0.0.1"
    with serve("flask_app.py", trusts_proxy=True) as server:
        told = httpx2.get(f"{server.url}/where", headers=said).json()
    assert (told["url"], told["client"]) == ("https://shop.example/", "10.1.2.3")


def test_pages_of_other_origins_are_the_applications_business(client: httpx2.Client) -> None:
    foreign = {"Origin": "http://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    assert client.get("/", headers=foreign).status_code == 200
    assert client.get("/v2", headers=foreign).status_code == 403


def test_a_client_of_http_1_0(server: RunningServer) -> None:
    host, port = server.address.split(":")
    for headers in ("", "Connection: keep-alive\r\n"):
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(f"GET /stream HTTP/1.0\r\n{headers}\r\n".encode())
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert body == b"0\n1\n2\n"
        assert b"Content-Length: 6" in head
        assert b"chunked" not in head


def test_a_websocket_is_refused_by_name(client: httpx2.Client) -> None:
    asks = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x", "Sec-WebSocket-Version": "13"}
    answer = client.get("/", headers=asks)
    assert answer.status_code == 501
    assert "WebSockets are not served" in answer.json()["error"]


def test_a_handler_that_waits_holds_nobody_up(client: httpx2.Client) -> None:
    with ThreadPoolExecutor(30) as threads:
        waiting = [threads.submit(client.get, "/wait?s=1") for _ in range(30)]
        assert client.get("/?name=meanwhile").text == "hello meanwhile "
        assert client.get("/v2/health/live").status_code == 200
        assert not all(one.done() for one in waiting)
        assert [one.result().text for one in waiting] == ["done"] * 30


def test_a_client_that_leaves_ends_its_stream(client: httpx2.Client, server: RunningServer) -> None:
    before = int(client.get("/closed").text)
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"GET /stream?n=100000000&times=1000 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    while int(client.get("/closed").text) == before:  # the generator is closed, or this test runs out of time
        pass


def test_what_is_the_servers_own(client: httpx2.Client) -> None:
    assert client.get("/v2").json()["name"] == "triton"
    assert client.get("/v2/health/ready").status_code == 200
    assert client.get("/v2/there/is/none").status_code in (404, 405)
    assert client.get("/v1/models").status_code == 404  # the application's, which has none
    assert [model["name"] for model in client.get("/v2/models/stats").json()["model_stats"]] == [
        "app",
        "app.double",
        "app.shout",
    ]


@pytest.mark.parametrize("model", ["app", "app.double"])
def test_its_models_take_no_tensors(client: httpx2.Client, model: str) -> None:
    document = {"inputs": [{"name": "x", "datatype": "INT32", "shape": [1, 1], "data": [1]}]}
    answer = client.post(f"/v2/models/{model}/infer", json=document)
    assert answer.status_code == 501
    assert "application" in answer.json()["error"]


def test_metrics_count_requests(client: httpx2.Client, server: RunningServer) -> None:
    def count() -> float:
        lines = httpx2.get(server.metrics_url).text.splitlines()
        (line,) = [line for line in lines if line.startswith('nv_inference_request_success{model="app",')]
        return float(line.split()[-1])

    before = count()
    client.get("/")
    assert count() == before + 1
