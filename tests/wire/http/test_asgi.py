"""The HTTP door as an ASGI application: what only it can do wrong. That answers are the same: `tests/contract`."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from naiad.core.settings.config import ServerSettings
from naiad.repository import ModelEntry
from naiad.server.assembly import Assembly
from naiad.wire.http.asgi import AsgiExchange, _send_answer, target_of

REPOSITORY = Path(__file__).parents[2] / "data" / "model_repository"
REPEAT = """backend: "repeat" max_batch_size: 0 model_transaction_policy { decoupled: true }
input [ { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }, { name: "DELAY" data_type: TYPE_UINT32 dims: [ -1 ] },
        { name: "WAIT" data_type: TYPE_UINT32 dims: [ 1 ] } ]
output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }, { name: "IDX" data_type: TYPE_UINT32 dims: [ 1 ] } ]"""
SLOW = """backend: "identity" max_batch_size: 0
input [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ] output [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ]
parameters { key: "execute_delay_ms" value { string_value: "500" } }"""
ONE = {"datatype": "INT32", "shape": [1], "data": [1]}
INFER_SLOW = json.dumps({"inputs": [{"name": "IN", **ONE}]}).encode()


class Client:
    """One request, as an ASGI server would hand it over."""

    def __init__(self, server: Assembly, pieces: Iterable[bytes] = (b"",)) -> None:
        self._app = server.in_process.asgi
        self._pieces = list(pieces)
        self.has_left = asyncio.Event()
        self.sent: list[Any] = []

    async def receive(self) -> dict[str, Any]:
        if self._pieces:
            body = self._pieces.pop(0)
            return {"type": "http.request", "body": body, "more_body": bool(self._pieces)}
        await self.has_left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **scope: Any) -> None:
        raw, _, query = path.partition("?")
        pairs = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        made = {"type": "http", "method": method, "path": raw, "raw_path": raw.encode(), "headers": pairs}
        await self._app({**made, "query_string": query.encode(), **scope}, self.receive, self.send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(one["body"] for one in self.sent[1:])

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["error"])


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Assembly]:
    for name, config in {"repeat": REPEAT, "slow": SLOW}.items():
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "config.pbtxt").write_text(config)
    entries = [ModelEntry.from_source(str(REPOSITORY / "simple")), ModelEntry.from_source(str(tmp_path))]
    shut = {f"allow_{door}": False for door in ("http", "grpc", "metrics")}
    limits = {"http_max_input_size": 100_000, "http_max_headers": 5, "http_max_target_size": 200, "drain_timeout_s": 5}
    made = Assembly(entries, ServerSettings.of(**shut, **limits))
    assert await made.load()
    yield made
    assert await made.stop(), "everything was answered or withdrawn"


async def asked(server: Assembly, method: str, path: str, *pieces: bytes, **more: Any) -> Client:
    client = Client(server, pieces or (b"",))
    await asyncio.wait_for(client.ask(method, path, **more), 30)
    return client


async def test_compressed_both_ways(server: Assembly) -> None:
    row = {"datatype": "INT32", "shape": [8, 16], "data": list(range(1000, 1128))}
    body = gzip.compress(json.dumps({"inputs": [{"name": f"INPUT{n}", **row} for n in (0, 1)]}).encode())
    headers = {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    client = await asked(server, "POST", "/v2/models/simple/infer", body[:9], b"", body[9:], headers=headers)
    assert (client.status, client.headers["content-encoding"]) == (200, "gzip")
    assert json.loads(gzip.decompress(client.body))["outputs"][0]["data"] == [2 * n for n in range(1000, 1128)]


async def test_an_answer_to_head_has_the_length_and_no_body(server: Assembly) -> None:
    client = await asked(server, "HEAD", "/v2/health/ready")
    assert (client.status, client.headers["content-length"], client.body) == (200, "0", b"")
    assert client.sent[-1]["more_body"] is False


async def test_a_load_report_comes_with_the_answer(server: Assembly) -> None:
    headers = {"endpoint-load-metrics-format": "json"}
    client = await asked(server, "POST", "/v2/models/slow/infer", INFER_SLOW, headers=headers)
    assert client.headers["endpoint-load-metrics"].startswith("JSON {")


async def test_a_stream_comes_in_pieces(server: Assembly) -> None:
    body = json.dumps({"IN": [1, 2, 3], "DELAY": [0, 0, 0], "WAIT": 0}).encode()
    client = await asked(server, "POST", "/v2/models/repeat/generate_stream", body)
    assert client.headers["content-type"].startswith("text/event-stream")
    assert "content-length" not in client.headers
    events = [json.loads(line[6:]) for line in client.body.split(b"\n\n") if line]
    assert [event["OUT"] for event in events] == [1, 2, 3]
    assert client.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_who_leaves_takes_the_request_back(server: Assembly) -> None:
    clients = [Client(server, (INFER_SLOW,)) for _ in range(2)]
    tasks = [asyncio.ensure_future(client.ask("POST", "/v2/models/slow/infer")) for client in clients]
    waiting = server.in_process.asgi.running
    await asyncio.sleep(0)  # they have begun
    assert waiting.count == 2
    clients[1].has_left.set()
    await asyncio.wait_for(tasks[1], 10)
    assert clients[1].sent == []
    tasks[0].cancel()  # which is how some servers say it
    await asyncio.wait(tasks)
    assert waiting.count == 0


async def test_who_leaves_before_the_body_has_come_asks_nothing(server: Assembly) -> None:
    client = Client(server, ())
    client.has_left.set()
    await asyncio.wait_for(client.ask("POST", "/v2/models/simple/infer"), 10)
    assert client.sent == []


TOO_MUCH: dict[str, tuple[dict[str, Any], int, str]] = {
    "announced": ({"headers": {"Content-Length": "100001"}}, 400, "exceeds the maximum"),
    "headers": ({"headers": {f"h{n}": "1" for n in range(6)}}, 431, "more than the maximum of 5 headers"),
    "header bytes": ({"headers": {"h": "x" * 2**20}}, 431, "request headers exceed the maximum"),
    "origin": ({"headers": {"Host": "server.example", "Origin": "http://x.example"}}, 403, "web pages may not call"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
async def test_what_the_door_refuses_is_refused(server: Assembly, name: str) -> None:
    more, status, words = TOO_MUCH[name]
    client = await asked(server, "POST", "/v2/models/simple/infer", b"{}", **more)
    assert client.status == status
    assert words in client.error


async def test_a_body_that_grows_too_long_is_refused_before_its_end(server: Assembly) -> None:
    client = await asked(server, "POST", "/v2/models/simple/infer", *[b"x" * 60_000] * 3)
    assert client.status == 400
    assert "120000" in client.error
    assert server.in_process.grpc.running.count == 0


async def test_a_long_target_is_refused(server: Assembly) -> None:
    assert (await asked(server, "GET", "/v2?" + "x" * 200)).status == 414


async def test_bytes_that_wait_are_counted_and_given_back(server: Assembly) -> None:
    waiting = server.in_process.asgi._capacity.waiting
    waiting.most_bytes = 30_000
    client = await asked(server, "POST", "/v2/models/simple/infer", b"x" * 20_000, b"x" * 20_000)
    assert (client.status, client.headers["retry-after"]) == (503, "1")
    assert "try again later" in client.error
    assert waiting.bytes == 0


async def test_what_is_no_http_is_closed_and_the_life_of_its_server_is_followed(server: Assembly) -> None:
    app, sent = server.in_process.asgi, []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    messages = ["websocket.connect", "lifespan.startup", "lifespan.shutdown"]

    async def receive() -> dict[str, Any]:
        return {"type": messages.pop(0)}

    await app({"type": "websocket"}, receive, send)
    await app({"type": "lifespan"}, receive, send)
    assert sent == ["websocket.close", "lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_client_that_reads_too_little_is_given_up() -> None:
    left = []
    exchange = AsgiExchange(100)
    exchange.on_abandon = lambda: left.append(1)
    exchange.begin_stream(200, b"text/event-stream")
    exchange.push(b"x" * 60)
    assert len(exchange.take()) == 2
    exchange.push(b"x" * 60)
    exchange.push(b"x" * 60)
    exchange.push(b"x" * 60)
    assert (exchange.is_gone, left) == (True, [1])


async def test_an_answer_of_another_program_is_passed_on_and_one_that_ends_early_is_no_whole_one() -> None:
    exchange = AsgiExchange(10**6)
    exchange.begin_relay(207, b"Content-Length: 4\r\nX-Some:a:b\r\n", is_chunked=False)
    exchange.push(b"ab")
    exchange.end_with(b"cd")
    exchange.end_with(b"no more")
    start, *rest = exchange.take()
    assert (start["status"], start["headers"]) == (207, [(b"content-length", b"4"), (b"x-some", b"a:b")])
    assert [(one["body"], one["more_body"]) for one in rest] == [(b"ab", True), (b"cd", False)]
    woken, sent = [], []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: Any) -> None:
        sent.append(message)

    def wake() -> None:
        woken.append(1)
        exchange.cut()

    exchange = AsgiExchange(10**6)
    exchange.begin_relay(200, b"", is_chunked=True)
    exchange.push(b"ab")
    exchange.on_writable = wake
    with pytest.raises(ConnectionAbortedError):
        await _send_answer(exchange, receive, send)
    assert (len(sent), woken) == (2, [1])


@pytest.mark.parametrize(
    ("scope", "target"),
    [
        ({"raw_path": b"/v2/models/a%2Fb", "path": "/v2/models/a/b"}, b"/v2/models/a%2Fb"),
        ({"path": "/v2/models/gr\u00f6\u00dfe b"}, b"/v2/models/gr%C3%B6%C3%9Fe%20b"),
        ({"path": "/v2", "query_string": b"a=b"}, b"/v2?a=b"),
        ({"raw_path": b"/mine/v2", "path": "/mine/v2", "root_path": "/mine"}, b"/v2"),
        ({"raw_path": b"/m%C3%B6/v2", "path": "/m\u00f6/v2", "root_path": "/m\u00f6/"}, b"/v2"),
        ({"raw_path": b"/v2", "path": "/v2", "root_path": "/mine"}, b"/v2"),
        ({"raw_path": b"/miner/v2", "path": "/miner/v2", "root_path": "/mine"}, b"/miner/v2"),
        ({"raw_path": b"/mine", "path": "/mine", "root_path": "/mine"}, b""),
    ],
)
def test_targets(scope: dict[str, Any], target: bytes) -> None:
    assert target_of(scope) == target
