"""A server that starts: it is not ready, and calls no model unknown, before it knows and has loaded all of them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from naiad.backends.onnxruntime.backend import OnnxRuntimeBackend
from naiad.core.settings.config import ServerSettings
from naiad.loading.sources import Sources
from naiad.proto.pool import message_class
from naiad.repository import ModelEntry
from naiad.server.assembly import Assembly

SIMPLE = Path(__file__).parents[1] / "data" / "model_repository" / "simple"
ROW = {"datatype": "INT32", "shape": [1, 16], "data": [1] * 16}
BODY = json.dumps({"inputs": [{"name": "INPUT0", **ROW}, {"name": "INPUT1", **ROW}]}).encode()
SERVICE = "/inference.GRPCInferenceService/"
NOT_KNOWN = "model 'simple' is not known yet, because the server is starting; try again"
LOADING = "model 'simple' is being loaded; try again"


class Gate:
    """Holds up a method of a class until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        self.reached, self._open = threading.Event(), threading.Event()
        real = getattr(owner, name)

        def held(*arguments: Any) -> Any:
            self.reached.set()
            self._open.wait()
            return real(*arguments)

        monkeypatch.setattr(owner, name, held)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def survey(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch, Sources, "survey")
    yield gate
    gate.open()


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch, OnnxRuntimeBackend, "load")
    yield gate
    gate.open()


@asynccontextmanager
async def starting(*sources: str, **settings: Any) -> AsyncIterator[tuple[Assembly, asyncio.Future[bool]]]:
    """A server whose doors are open, and the load that is under way."""
    ports = dict.fromkeys(("http_port", "grpc_port", "metrics_port"), 0)
    server = Assembly([ModelEntry.from_source(one) for one in sources], ServerSettings.of(**ports, **settings))
    await server.start()
    loading = asyncio.ensure_future(server.load())
    try:
        yield server, loading
    finally:
        loading.cancel()
        await server.stop()


async def ask(server: Assembly, path: str, body: bytes = b"") -> tuple[int, str, bytes]:
    """Status, error and head of an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
    method = b"POST" if body else b"GET"
    writer.write(
        b"%b %b HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
        % (method, path.encode(), len(body), body)
    )
    head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head[9:12]), json.loads(rest).get("error", "") if rest else "", head


async def call(server: Assembly, method: str, message: bytes = b"") -> bytes | tuple[str, str]:
    """The message of an answer, or its status and words."""
    async with grpc.aio.insecure_channel(server.doors.grpc.address) as channel:
        try:
            answer: bytes = await channel.unary_unary(method)(message)
        except grpc.RpcError as error:
            return error.code().name, str(error.details())
        return answer


def infer_message(model: str) -> bytes:
    message = message_class("ModelInferRequest")(model_name=model)
    for name in ("INPUT0", "INPUT1"):
        message.inputs.add(name=name, datatype="INT32", shape=[1, 16])
        message.raw_input_contents.append(bytes(64))
    serialized: bytes = message.SerializeToString()
    return serialized


async def check_not_ready(server: Assembly, words: str) -> None:
    assert (await ask(server, "/v2/health/live"))[0] == 200
    assert (await ask(server, "/v2/health/ready"))[0] == 400
    assert (await ask(server, "/v2/models/simple/ready"))[:2] == (400, "Model version not ready")
    status, error, head = await ask(server, "/v2/models/simple/infer", BODY)
    assert (status, error) == (503, words)
    assert b"Retry-After: 1" in head
    assert (await ask(server, "/v1/embeddings", b'{"model": "simple", "input": "a"}'))[0] == 503
    assert (await ask(server, "/embed", b'{"inputs": "a"}'))[0] == 503
    assert await call(server, SERVICE + "ServerLive") == b"\x08\x01"
    assert await call(server, SERVICE + "ServerReady") == b""
    for service in (b"", b"\x0a\x1finference.GRPCInferenceService"):
        assert await call(server, "/grpc.health.v1.Health/Check", service) == b"\x08\x02"
    assert await call(server, SERVICE + "ModelInfer", infer_message("simple")) == ("UNAVAILABLE", words)


async def test_it_is_not_ready_before_it_knows_what_there_is(survey: Gate) -> None:
    async with starting(str(SIMPLE)) as (server, loading):
        await asyncio.to_thread(survey.reached.wait)
        await check_not_ready(server, NOT_KNOWN)
        survey.open()
        assert await loading
        assert (await ask(server, "/v2/health/ready"))[0] == 200
        assert (await ask(server, "/v2/models/simple/infer", BODY))[0] == 200


async def test_it_is_not_ready_before_all_is_loaded(load: Gate) -> None:
    async with starting(str(SIMPLE)) as (server, loading):
        await asyncio.to_thread(load.reached.wait)
        await check_not_ready(server, LOADING)
        assert (await ask(server, "/v2/models/other/infer", BODY))[0] == 503, "it may come with what is loaded"
        load.open()
        assert await loading
        assert (await ask(server, "/v2/health/ready"))[0] == 200
        assert (await ask(server, "/v2/models/simple/infer", BODY))[0] == 200
        assert (await ask(server, "/v2/models/other/infer", BODY))[0] == 404
        assert await call(server, "/grpc.health.v1.Health/Check") == b"\x08\x01"


async def test_a_model_that_clients_load_is_unavailable_until_it_is_there(load: Gate) -> None:
    async with starting(str(SIMPLE.parent), model_control_mode="explicit") as (server, loading):
        assert await loading
        assert (await ask(server, "/v2/health/ready"))[0] == 200, "whoever is to load a model must be let in"
        assert (await ask(server, "/v2/models/simple/infer", BODY))[0] == 404
        asked = asyncio.ensure_future(ask(server, "/v2/repository/models/simple/load", b"{}"))
        await asyncio.to_thread(load.reached.wait)
        await check_not_ready(server, LOADING)
        load.open()
        assert (await asked)[0] == 200
        assert (await ask(server, "/v2/health/ready"))[0] == 200


@pytest.mark.parametrize(("mode", "status"), [("none", 400), ("poll", 400), ("explicit", 200)])
async def test_nothing_to_serve_is_not_ready(tmp_path: Path, mode: str, status: int) -> None:
    async with starting(str(tmp_path), model_control_mode=mode) as (server, loading):
        await loading
        assert (await ask(server, "/v2/health/ready"))[0] == status


async def test_an_empty_repository_of_triton_is_ready(tmp_path: Path) -> None:
    entry = ModelEntry(ModelEntry.from_source(str(tmp_path)).source, is_repository=True)
    server = Assembly([entry], ServerSettings.of(http_port=0, grpc_port=0, metrics_port=0))
    await server.start()
    try:
        assert await server.load()
        assert (await ask(server, "/v2/health/ready"))[0] == 200
    finally:
        await server.stop()
