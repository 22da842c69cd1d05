"""What is left of requests that are answered and connections that are gone: nothing that waits for the collector.

The collector comes round rarely in a server, so whatever refers to itself stays: with a request's body, that is
hundreds of megabytes after a few large requests.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from naiad.proto.pool import message_class
from naiad.testing import RunningServer, running_server
from naiad.testing.checkpoints import tiny_checkpoint
from naiad.wire.grpc.servicer import SERVICE

SIMPLE = Path(__file__).parents[1] / "data" / "model_repository" / "simple"
ROW = list(range(16))
INPUTS = [{"name": name, "datatype": "INT32", "shape": [1, 16], "data": ROW} for name in ("INPUT0", "INPUT1")]
GOOD = json.dumps({"inputs": INPUTS}).encode()
POST = b"POST /v2/models/simple/infer HTTP/1.1\r\nHost: h\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    for name in ("simple", "patient"):
        shutil.copytree(SIMPLE, folder / name)
    config = (SIMPLE / "config.pbtxt").read_text().replace('"simple"', '"patient"')
    delay = "dynamic_batching { preferred_batch_size: [ 8 ] max_queue_delay_microseconds: 60000000 }"
    (folder / "patient" / "config.pbtxt").write_text(config + delay)
    text = tiny_checkpoint(tmp_path_factory.mktemp("text"))
    options: dict[str, Any] = {"model_control_mode": "explicit", "load_model": ("*",), "allow_setting_changes": True}
    with running_server(str(folder), f"text={text}", http_max_input_size=2_000_000, **options) as running:
        yield running


@contextmanager
def nothing_left(server: RunningServer) -> Iterator[None]:
    """Fail if what happens in the block leaves objects of ours that only the collector can free."""
    http_door, grpc_door = server.server.doors.http.listener, server.server.doors.grpc.listener

    async def all_gone() -> None:
        await http_door.wait_closed()
        await grpc_door.wait_closed()
        await asyncio.sleep(0)

    gc.collect()
    gc.disable()
    try:
        yield
        server.run(all_gone)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [one for one in gc.garbage if str(getattr(one, "__module__", "")).startswith("naiad.")]
        names = sorted({getattr(one, "__qualname__", type(one).__qualname__) for one in left})
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert not names, ", ".join(names)


def exchange(server: RunningServer, data: bytes, answers: int = 1) -> None:
    """Send bytes on a connection of their own, read the answers, and close it."""
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(data)
        reader = connection.makefile("rb")
        for _ in range(answers):
            length = 0
            while (line := reader.readline()) not in (b"\r\n", b""):
                length = int(line.split(b":")[1]) if line.startswith(b"Content-Length") else length
            reader.read(length)


def post(body: bytes, headers: bytes = b"", path: bytes = b"/v2/models/simple/infer") -> bytes:
    start = POST.replace(b"/v2/models/simple/infer", path)
    return start + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes) -> bytes:
    return POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nX-T: 1\r\n\r\n" % (len(body), body)


def _binary() -> bytes:
    inputs = [{**{key: one[key] for key in ("name", "datatype", "shape")}, "parameters": {"binary_data_size": 64}}
              for one in INPUTS]  # fmt: skip
    document = json.dumps({"inputs": inputs, "outputs": [{"name": "OUTPUT0", "parameters": {"binary_data": True}}]})
    length = b"Inference-Header-Content-Length: %d\r\n" % len(document)
    return post(document.encode() + bytes(128), length)


GENERATE = json.dumps({"INPUT0": ROW, "INPUT1": ROW}).encode()
HTTP = {
    "JSON": post(GOOD),
    "JSON, padded with a megabyte": post(GOOD + b" " * 1_000_000),
    "binary": _binary(),
    "chunked": chunked(GOOD),
    "compressed": post(gzip.compress(GOOD), b"Content-Encoding: gzip\r\n"),
    "pipelined": post(GOOD) * 3,
    "generate": post(GENERATE, path=b"/v2/models/simple/generate"),
    "a stream": post(GENERATE, path=b"/v2/models/simple/generate_stream"),
    "unknown model": post(GOOD, path=b"/v2/models/none/infer"),
    "unknown path": post(GOOD, path=b"/none"),
    "wrong JSON": post(b"{"),
    "wrong input": post(GOOD.replace(b"INPUT1", b"INPUT9")),
    "too large": post(b"x" * 3_000_000)[:100_000],
    "too large, in chunks": chunked(b"x" * 3_000_000)[:1_000_000],
    "no HTTP": b"\x16\x03\x01\r\n\r\n",
    "no host": b"GET /v2 HTTP/1.1\r\n\r\n",
    "endless header": POST + b"X: " + b"x" * 600_000,
    "foreign page": post(GOOD, b"Origin: http://evil.example\r\n"),
    "upgrade": post(GOOD, b"Connection: Upgrade\r\nUpgrade: h2c\r\n"),
    "index": post(b"{}", path=b"/v2/repository/index"),
    "load": post(b"{}", path=b"/v2/repository/models/simple/load"),
    "embeddings": post(b'{"model":"text","input":["a","b"]}', path=b"/v1/embeddings"),
    "wrong embeddings": post(b'{"model":"text","input":5}', path=b"/v1/embeddings"),
    "texts": post(
        b'{"inputs":[{"name":"text","datatype":"BYTES","shape":[2],"data":["a","b"]}]}', path=b"/v2/models/text/infer"
    ),
    "metadata": b"GET /v2/models/text HTTP/1.1\r\nHost: h\r\n\r\n",
    "HTTP/1.0": post(GOOD).replace(b"HTTP/1.1", b"HTTP/1.0"),
}


@pytest.mark.parametrize("name", HTTP)
def test_http_requests_and_connections_leave_nothing(server: RunningServer, name: str) -> None:
    data, answers = HTTP[name], 3 if name == "pipelined" else 1
    exchange(server, data, answers)  # what is made once is made
    with nothing_left(server):
        exchange(server, data, answers)
        exchange(server, data, answers)


def test_a_client_that_leaves_before_its_answer_leaves_nothing(server: RunningServer) -> None:
    host, _, port = server.address.rpartition(":")
    with nothing_left(server):
        for data in (post(GOOD), post(GOOD)[:-10], POST, chunked(GOOD)[:-10]):
            with socket.create_connection((host, int(port)), timeout=30) as connection:
                connection.sendall(data)


def test_a_verbose_log_keeps_no_request(server: RunningServer) -> None:
    """Each request and the functions that note its answer referred to each other, and so its body stayed."""

    def verbose(level: int) -> None:
        exchange(server, post(b'{"log_verbose_level": %d}' % level, path=b"/v2/logging"))

    verbose(1)
    try:
        with nothing_left(server):
            exchange(server, HTTP["JSON"])
            exchange(server, HTTP["a stream"])
    finally:
        verbose(0)


def numbers(model: str = "simple") -> bytes:
    raw = np.arange(16, dtype=np.int32).tobytes()
    inputs = [{"name": name, "datatype": "INT32", "shape": [1, 16]} for name in ("INPUT0", "INPUT1")]
    made = message_class("ModelInferRequest")(model_name=model, inputs=inputs, raw_input_contents=[raw, raw])
    return bytes(made.SerializeToString())


def unary(method: str, message: bytes) -> Callable[[grpc.Channel], None]:
    def ask(channel: grpc.Channel) -> None:
        try:
            channel.unary_unary(method)(message, timeout=30)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise

    return ask


def stream(channel: grpc.Channel) -> None:
    assert len(list(channel.stream_stream(SERVICE + "ModelStreamInfer")(iter([numbers()] * 3), timeout=30))) == 3


def cancelled_stream(channel: grpc.Channel) -> None:
    call = channel.stream_stream(SERVICE + "ModelStreamInfer")(iter([numbers()]), timeout=30)
    next(iter(call))
    call.cancel()


def reflection(channel: grpc.Channel) -> None:
    method = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    assert len(list(channel.stream_stream(method)(iter([b"\x3a\0"]), timeout=30))) == 1


GRPC: dict[str, Callable[[grpc.Channel], None]] = {
    "infer": unary(SERVICE + "ModelInfer", numbers()),
    "large infer": unary(SERVICE + "ModelInfer", numbers() + b"\x82\x7d\xc0\x9a\x0c" + bytes(200_000)),
    "wrong infer": unary(SERVICE + "ModelInfer", b"\xff"),
    "no model": unary(SERVICE + "ModelInfer", b""),
    "metadata": unary(SERVICE + "ServerMetadata", b""),
    "wrong metadata": unary(SERVICE + "ServerMetadata", b"\xff"),
    "index": unary(SERVICE + "RepositoryIndex", b""),
    "health": unary("/grpc.health.v1.Health/Check", b""),
    "unknown method": unary("/a/b", b""),
    "stream": stream,
    "cancelled stream": cancelled_stream,
    "reflection": reflection,
}


@pytest.mark.parametrize("name", GRPC)
def test_grpc_calls_and_connections_leave_nothing(server: RunningServer, name: str) -> None:
    def connect() -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(server.grpc_address, options) as channel:
            GRPC[name](channel)

    connect()
    with nothing_left(server):
        connect()
        connect()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(8) + b"\1",
    ],
)
def test_grpc_connections_that_break_the_rules_leave_nothing(server: RunningServer, data: bytes) -> None:
    host, _, port = server.grpc_address.rpartition(":")
    with nothing_left(server), socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(data)
        connection.recv(1000)


def test_an_idle_connection_keeps_no_body(server: RunningServer) -> None:
    """A client that keeps its connection would keep its last request in the server's memory, too."""
    big = post(GOOD + b" " * 1_000_000)
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        for _ in range(2):
            connection.sendall(big)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        kept = [one for one in gc.get_objects() if type(one).__qualname__ == "Exchange"]
        assert [len(one.body) for one in kept if len(one.body) > 100_000] == []


def until_it_waits(server: RunningServer) -> None:
    """Return when a request waits for company that never comes."""
    statistics: Any = server.server.catalog.find("patient").statistics

    async def wait() -> None:
        while not statistics.count_pending():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)

    server.run(wait)


def test_what_is_withdrawn_while_it_waits_leaves_nothing(server: RunningServer) -> None:
    host, _, port = server.address.rpartition(":")
    quiet = server.server.catalog.find("patient")._scheduler.quiet  # type: ignore[attr-defined]
    with nothing_left(server):
        for path in (b"/v2/models/patient/infer", b"/v2/models/patient/generate_stream"):
            with socket.create_connection((host, int(port)), timeout=30) as connection:
                connection.sendall(post(GOOD if path.endswith(b"infer") else GENERATE, path=path))
                until_it_waits(server)
            server.run(quiet)
        with grpc.insecure_channel(server.grpc_address) as channel:
            for method in ("ModelInfer", "ModelStreamInfer"):
                call = channel.stream_stream(SERVICE + method)(iter([numbers("patient")]))
                until_it_waits(server)
                call.cancel()
                server.run(quiet)
            del call


def test_a_body_is_let_go_of_when_it_is_decoded(server: RunningServer) -> None:
    """The model may take its time."""
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(post(GOOD + b" " * 1_000_000, path=b"/v2/models/patient/infer"))
        until_it_waits(server)
        kept = [one for one in gc.get_objects() if type(one).__qualname__ == "Exchange"]
        assert kept
        assert [len(one.body) for one in kept if one.body] == []
