"""Which of several mistakes about shared memory is told of, and what is counted when an answer does not fit."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.proto.pool import message_class
from naiad.testing import RunningServer, running_server
from naiad.wire.grpc.servicer import SERVICE

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")

MODELS = Path(__file__).parents[1] / "data" / "model_repository"
OBJECTS = Path("/dev") / "shm"
OFF = "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable."


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> str:
    if not OBJECTS.is_dir():
        pytest.skip("no /dev/shm on this system")
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(MODELS / "simple", folder / "simple")
    return str(folder)


@pytest.fixture(scope="module")
def server(repository: str) -> Iterator[RunningServer]:
    with running_server(repository, allow_client_shm=True) as running:
        yield running


@pytest.fixture
def region(server: RunningServer) -> Iterator[Path]:
    """Registers `r`, 256 bytes; gives the object's path."""
    path = OBJECTS / f"naiad-test-{uuid.uuid4().hex}"
    path.write_bytes(np.arange(64, dtype=np.int32).tobytes())
    register(server, path)
    yield path
    post(server, "/v2/systemsharedmemory/unregister", {})
    path.unlink()


def register(server: RunningServer, path: Path) -> None:
    post(server, "/v2/systemsharedmemory/unregister", {})
    assert post(server, "/v2/systemsharedmemory/region/r/register", {"key": path.name, "byte_size": 256})[0] == 200


def post(server: RunningServer, path: str, body: Any, method: str = "POST") -> tuple[int, Any]:
    connection = HTTPConnection(server.address, timeout=30)
    connection.request(method, path, json.dumps(body))
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, json.loads(content) if content else None


def where(region: str, offset: int, byte_size: int = 64) -> dict[str, Any]:
    return {"shared_memory_region": region, "shared_memory_offset": offset, "shared_memory_byte_size": byte_size}


def body_of(region: str, output_bytes: int = 64) -> dict[str, Any]:
    inputs = [
        {"name": f"INPUT{n}", "datatype": "INT32", "shape": [1, 16], "parameters": where(region, 64 * n)}
        for n in (0, 1)
    ]  # fmt: skip
    return {"inputs": inputs, "outputs": [{"name": "OUTPUT0", "parameters": where(region, 128, output_bytes)}]}


def message_of(body: dict[str, Any], model: str, leave_out: str = "") -> bytes:
    made = message_class("ModelInferRequest")(model_name=model)
    for entries, slots in ((body["inputs"], made.inputs), (body["outputs"], made.outputs)):
        for entry in entries:
            slot = slots.add(**{key: value for key, value in entry.items() if key != "parameters"})
            for key, value in entry["parameters"].items():
                if key != leave_out:
                    kind = "string_param" if isinstance(value, str) else "int64_param"
                    setattr(slot.parameters[key], kind, value)
    serialized: bytes = made.SerializeToString()
    return serialized


def call(server: RunningServer, raw: bytes) -> tuple[str, str]:
    with grpc.insecure_channel(server.grpc_address) as channel:
        try:
            channel.unary_unary(SERVICE + "ModelInfer")(raw, timeout=30)
        except grpc.RpcError as error:
            return error.code().name, error.details()
    return "OK", ""


def stream(server: RunningServer, raw: bytes) -> str:
    """The error of a stream's one answer."""
    with grpc.insecure_channel(server.grpc_address) as channel:
        (answer,) = channel.stream_stream(SERVICE + "ModelStreamInfer")(iter([raw]), timeout=30)
    words: str = message_class("ModelStreamInferResponse").FromString(answer).error_message
    return words


def failures(server: RunningServer) -> tuple[int, int]:
    _, statistics = post(server, "/v2/models/simple/stats", None, "GET")
    counts = statistics["model_stats"][0]["inference_stats"]
    return counts["success"]["count"], counts["fail"]["count"]


def test_an_unknown_model_comes_before_an_unknown_region(server: RunningServer) -> None:
    words = "Request for unknown model: 'nope' is not found"
    assert post(server, "/v2/models/nope/infer", body_of("x"))[1] == {"error": words}
    raw = message_of(body_of("x"), "nope")
    assert call(server, raw) == ("NOT_FOUND", words)
    assert stream(server, raw) == words
    known = message_of(body_of("x"), "simple")
    assert call(server, known)[1] == stream(server, known) == "Unable to find shared memory region: 'x'"


@pytest.mark.parametrize("is_grpc", [False, True])
def test_an_answer_that_does_not_fit_is_a_failure(server: RunningServer, region: Path, is_grpc: bool) -> None:
    before = failures(server)
    for output_bytes in (63, 64):
        body = body_of("r", output_bytes)
        if is_grpc:
            call(server, message_of(body, "simple"))
        else:
            post(server, "/v2/models/simple/infer", body)
    assert failures(server) == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize("is_grpc", [False, True])
def test_a_region_that_was_replaced_is_seen_at_once(server: RunningServer, region: Path, is_grpc: bool) -> None:
    """Also by requests that have become known."""
    other = OBJECTS / f"naiad-test-{uuid.uuid4().hex}"
    other.write_bytes(np.full(64, 5, np.int32).tobytes())
    raw = message_of(body_of("r"), "simple")

    def ask() -> str:
        return call(server, raw)[1] if is_grpc else str(post(server, "/v2/models/simple/infer", body_of("r"))[1])

    try:
        for _ in range(4):
            ask()
        assert np.frombuffer(region.read_bytes()[128:192], np.int32).tolist() == list(range(16, 47, 2))
        register(server, other)
        region.write_bytes(bytes(256))
        ask()
        assert region.read_bytes() == bytes(256)
        assert np.frombuffer(other.read_bytes()[128:192], np.int32).tolist() == [10] * 16
        post(server, "/v2/systemsharedmemory/unregister", {})
        assert "Unable to find shared memory region: 'r'" in ask()
    finally:
        other.unlink()


def test_without_shared_memory_that_is_said_first(repository: str) -> None:
    """Whatever else is wrong with what a request says of it."""
    with running_server(repository) as server:
        for leave_out in ("", "shared_memory_byte_size", "shared_memory_offset"):
            assert call(server, message_of(body_of("r"), "simple", leave_out)) == ("UNIMPLEMENTED", OFF)
        body = body_of("r")
        body["inputs"][0]["parameters"]["shared_memory_byte_size"] = -1
        assert post(server, "/v2/models/simple/infer", body) == (501, {"error": OFF})
