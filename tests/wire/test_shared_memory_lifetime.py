"""Regions of requests under way: who unregisters, leaves or runs out of time harms neither the server nor itself.

The model is held while its client does what it does. Garbage is not collected meanwhile: a region that only the
collector would free counts as leaked.
"""

from __future__ import annotations

import gc
import http.client
import json
import threading
import uuid
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.backends.identity import IdentityInstance
from naiad.proto.pool import message_class
from naiad.serving.response_sender import ResponseSender
from naiad.testing import RunningServer, running_server

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")

SERVICE = "/inference.GRPCInferenceService/"
OBJECTS = Path("/dev") / "shm"
CONFIG = """name: "echo"
backend: "identity"
max_batch_size: 4
input [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 4 ] } ]
"""
VALUES = np.array([1, 2, 3, 4], np.float32).tobytes()
PATIENCE_S = 20.0


class Gate:
    """Holds the model, and tells what has happened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.running, self.opened = threading.Event(), threading.Event()
        self.withdrawn, self.over = threading.Event(), threading.Event()
        execute, cancel, send = IdentityInstance.execute, ResponseSender.cancel, ResponseSender.send

        def held(instance: Any, batch: Any) -> Any:
            self.running.set()
            assert self.opened.wait(PATIENCE_S)
            return execute(instance, batch)

        def withdrawn(sender: ResponseSender) -> None:
            cancel(sender)
            self.withdrawn.set()

        def over(sender: ResponseSender, *answer: Any, **more: Any) -> bool:
            is_sent = send(sender, *answer, **more)
            self.over.set()
            return is_sent

        monkeypatch.setattr(IdentityInstance, "execute", held)
        monkeypatch.setattr(ResponseSender, "cancel", withdrawn)
        monkeypatch.setattr(ResponseSender, "send", over)

    def wait_running(self) -> None:
        assert self.running.wait(PATIENCE_S)

    def wait_withdrawn(self) -> None:
        assert self.withdrawn.wait(PATIENCE_S)

    def open(self) -> None:
        """Let the model go on."""
        self.opened.set()
        assert self.over.wait(PATIENCE_S)


class Scene:
    """A server with a held model and one registered region: 16 bytes in, 16 bytes out."""

    def __init__(self, server: RunningServer, gate: Gate) -> None:
        self.server, self.gate = server, gate
        self.key = f"naiad-test-{uuid.uuid4().hex}"
        self.path = OBJECTS / self.key
        self.path.write_bytes(VALUES + bytes(16))
        self.register()
        region = server.server.engine.memory.regions["r"]
        self.unmapped = threading.Event()
        weakref.finalize(region._mapping, self.unmapped.set)
        self.pool = ThreadPoolExecutor(2)

    def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self.server.address, timeout=PATIENCE_S)
        connection.request("POST", path, json.dumps(body))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, json.loads(content) if content else None

    def register(self) -> None:
        body = {"key": self.key, "byte_size": 32}
        assert self.post("/v2/systemsharedmemory/region/r/register", body) == (200, None)

    def unregister(self) -> None:
        assert self.post("/v2/systemsharedmemory/region/r/unregister") == (200, None)

    @staticmethod
    def body() -> dict[str, Any]:
        def part(offset: int) -> dict[str, Any]:
            return {"shared_memory_region": "r", "shared_memory_offset": offset, "shared_memory_byte_size": 16}

        fixed = {"name": "x", "datatype": "FP32", "shape": [1, 4], "parameters": part(0)}
        return {"inputs": [fixed], "outputs": [{"name": "y", "parameters": part(16)}]}

    @classmethod
    def message(cls) -> bytes:
        body = cls.body()
        for tensor in (*body["inputs"], *body["outputs"]):
            tensor["parameters"] = {
                key: {"string_param" if isinstance(value, str) else "int64_param": value}
                for key, value in tensor["parameters"].items()
            }
        raw: bytes = message_class("ModelInferRequest")(model_name="echo", **body).SerializeToString()
        return raw

    def ask(self) -> Future[tuple[int, Any]]:
        """Send the request over HTTP; returns when the model has it."""
        answer = self.pool.submit(self.post, "/v2/models/echo/infer", self.body())
        self.gate.wait_running()
        return answer

    @property
    def output(self) -> bytes:
        return self.path.read_bytes()[16:]

    @property
    def mappings(self) -> int:
        return sum(self.key in line for line in Path("/proc/self/maps").read_text().splitlines())

    @property
    def descriptors(self) -> int:
        opened = 0
        for descriptor in Path("/proc/self/fd").iterdir():
            try:
                opened += self.key in str(descriptor.readlink())
            except FileNotFoundError:  # the one that listed the folder
                continue
        return opened

    def check_gone(self) -> None:
        """Nothing of the region is left in the server."""
        assert self.unmapped.wait(PATIENCE_S)
        assert (self.mappings, self.descriptors) == (0, 0)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    if not OBJECTS.is_dir() or not Path("/proc/self/maps").exists():
        pytest.skip("no /dev/shm or no /proc on this system")
    (tmp_path / "echo" / "1").mkdir(parents=True)
    (tmp_path / "echo" / "config.pbtxt").write_text(CONFIG)
    gate = Gate(monkeypatch)
    with running_server(str(tmp_path), allow_client_shm=True) as running:
        assert running.all_loaded
        opened = Scene(running, gate)
        gc.collect()
        gc.disable()
        try:
            yield opened
        finally:
            gc.enable()
            gate.opened.set()
            opened.pool.shutdown()
            opened.path.unlink(missing_ok=True)


def test_unregistering_waits_for_the_requests_under_way(scene: Scene) -> None:
    """The name is free at once; the memory goes when the last of them is answered."""
    answer = scene.ask()
    assert (scene.mappings, scene.descriptors) == (1, 2)
    scene.unregister()
    assert scene.post("/v2/models/echo/infer", scene.body())[0] == 404
    scene.register()
    assert scene.mappings == 2
    scene.unregister()
    assert scene.mappings == 1
    scene.gate.open()
    assert answer.result(PATIENCE_S)[0] == 200
    assert scene.output == VALUES
    scene.check_gone()


def test_a_client_may_unlink_its_object_at_any_time(scene: Scene) -> None:
    answer = scene.ask()
    with scene.path.open("rb") as held:
        scene.path.unlink()
        scene.unregister()
        scene.gate.open()
        assert answer.result(PATIENCE_S)[0] == 200
        assert held.read()[16:] == VALUES
    scene.check_gone()


def test_an_answer_that_no_longer_fits_is_an_error(scene: Scene) -> None:
    """The object shrank while the model ran; writing to a mapping of it would end the server."""
    answer = scene.ask()
    with scene.path.open("r+b") as file:
        file.truncate(16)
    scene.gate.open()
    status, body = answer.result(PATIENCE_S)
    assert (status, "smaller than when it was registered" in body["error"]) == (400, True)
    assert scene.path.stat().st_size == 16
    assert scene.post("/v2/models/echo/infer", scene.body())[0] == 400
    scene.unregister()
    scene.check_gone()


def leave_http(scene: Scene) -> Callable[[], None]:
    connection = http.client.HTTPConnection(scene.server.address)
    connection.request("POST", "/v2/models/echo/infer", json.dumps(scene.body()))
    return connection.close


def leave_unary(scene: Scene) -> Callable[[], None]:
    channel = grpc.insecure_channel(scene.server.grpc_address)
    call = channel.unary_unary(SERVICE + "ModelInfer").future(scene.message(), timeout=PATIENCE_S)

    def leave() -> None:
        call.cancel()
        scene.gate.wait_withdrawn()
        channel.close()

    return leave


def leave_by_deadline(scene: Scene) -> Callable[[], None]:
    channel = grpc.insecure_channel(scene.server.grpc_address)
    call = channel.unary_unary(SERVICE + "ModelInfer").future(scene.message(), timeout=1)

    def leave() -> None:
        assert call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        scene.gate.wait_withdrawn()
        channel.close()

    return leave


def leave_stream(scene: Scene) -> Callable[[], None]:
    channel = grpc.insecure_channel(scene.server.grpc_address)
    last = threading.Event()

    def messages() -> Iterator[bytes]:
        yield scene.message()
        last.wait(PATIENCE_S)

    call = channel.stream_stream(SERVICE + "ModelStreamInfer")(messages(), timeout=PATIENCE_S)

    def leave() -> None:
        call.cancel()
        scene.gate.wait_withdrawn()
        last.set()
        channel.close()

    return leave


@pytest.mark.parametrize("begin", [leave_http, leave_unary, leave_by_deadline, leave_stream])
def test_nothing_is_written_for_who_went_away(scene: Scene, begin: Callable[[Scene], Callable[[], None]]) -> None:
    """By closing the connection, cancelling or running out of time; and nothing stays behind."""
    leave = begin(scene)
    scene.gate.wait_running()
    leave()
    scene.gate.wait_withdrawn()
    scene.unregister()
    assert scene.mappings == 1  # the model still reads it
    scene.gate.open()
    scene.check_gone()
    assert scene.output == bytes(16)


def test_a_waiting_request_that_is_withdrawn_lets_go_at_once(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """It never gets to the model."""
    running = scene.ask()
    ahead = scene.pool.submit(scene.post, "/v2/models/echo/infer", scene.body())
    connection = http.client.HTTPConnection(scene.server.address)
    connection.request("POST", "/v2/models/echo/infer", json.dumps(scene.body()))
    connection.close()
    scene.gate.wait_withdrawn()
    scene.gate.open()
    assert [one.result(PATIENCE_S)[0] for one in (running, ahead)] == [200, 200]
    scene.unregister()
    scene.check_gone()
    assert [record for record in caplog.records if record.name == "asyncio"] == []


def test_a_server_that_stops_lets_go_of_everything(tmp_path: Path) -> None:
    if not OBJECTS.is_dir():
        pytest.skip("no /dev/shm on this system")
    (tmp_path / "echo" / "1").mkdir(parents=True)
    (tmp_path / "echo" / "config.pbtxt").write_text(CONFIG)
    with running_server(str(tmp_path), allow_client_shm=True) as running:
        scene = Scene(running, None)  # type: ignore[arg-type]  # nothing is asked of the model
        assert scene.mappings == 1
    assert (scene.mappings, scene.descriptors, scene.path.stat().st_size) == (0, 0, 32)
    scene.path.unlink()
