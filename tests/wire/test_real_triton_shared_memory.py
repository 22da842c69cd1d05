"""The same calls about shared memory to NVIDIA's own server and to ours, where `make test-triton` has set it up.

Answers, statuses and words are equal but for those that carry a sentence, and each of these stands with its reason on
the page docs/reference/differences.md.
"""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simple_in_python import PYTHON_MODEL

from naiad.proto.pool import message_class
from naiad.testing import running_server
from naiad.wire.grpc.servicer import SERVICE

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")

ROOT = Path(__file__).parents[2]
SIMPLE = ROOT / "tests" / "data" / "model_repository" / "simple"
PATIENCE_S = 20.0
OBJECTS = Path("/dev") / "shm"
PAGE = ROOT / "docs" / "reference" / "differences.md"
CONTENT = np.arange(16, dtype=np.int32).tobytes() + np.full(16, 3, np.int32).tobytes() + bytes(128)

RANGES = "A range of shared memory that exceeds 2^64 is reported as an overflow."
EMPTY = "Zero bytes of shared memory are too few for a tensor, but not an invalid range."
REGISTER = "A region of shared memory may begin at any byte; a region of zero bytes is an invalid argument."
NAME = "A region of shared memory must have a name; over HTTP, the name in the path is decoded."
SLASH = "A key of shared memory that is only a slash is an invalid argument."
RESERVED = "Shared memory of Triton's Python backend cannot be registered as a region."
RAW = "It is an error to send more raw contents than inputs."


@dataclass
class Server:
    """One of the two, and the object that is shared with it."""

    http_port: int
    grpc_port: int
    key: str
    channel: Any = None

    def post(self, path: str, body: Any, method: str = "POST") -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", self.http_port, timeout=60)
        connection.request(method, path, json.dumps(body).replace("KEY", self.key) if body is not None else None)
        answer = connection.getresponse()
        content = answer.read().decode().replace(self.key, "KEY")
        connection.close()
        return answer.status, json.loads(content) if content else None

    def call(self, method: str, fields: dict[str, Any]) -> Any:
        message = message_class(f"{method}Request")(**fields)
        if getattr(message, "key", ""):
            message.key = message.key.replace("KEY", self.key)
        try:
            answer = self.channel.unary_unary(SERVICE + method)(message.SerializeToString(), timeout=60)
        except grpc.RpcError as error:
            return error.code().name, error.details().replace(self.key, "KEY")
        read = message_class(f"{method}Response").FromString(answer)
        for region in getattr(read, "regions", {}).values():
            region.key = region.key.replace(self.key, "KEY")
        return read

    def unregister_all(self) -> tuple[int, Any]:
        """Triton lets a region go a moment after it has answered the request that used it."""
        end_s = time.monotonic() + PATIENCE_S
        while True:
            answer = self.post("/v2/systemsharedmemory/unregister", None)
            if answer[0] == 200 or time.monotonic() > end_s:
                return answer

    @property
    def content(self) -> bytes:
        return (OBJECTS / self.key).read_bytes()


@contextmanager
def shared(http_port: int, grpc_port: int) -> Iterator[Server]:
    server = Server(http_port, grpc_port, f"naiad-test-{uuid.uuid4().hex}")
    path = OBJECTS / server.key
    path.write_bytes(CONTENT)
    try:
        with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
            grpc.channel_ready_future(channel).result(timeout=60)
            server.channel = channel
            yield server
    finally:
        path.unlink()


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory, real_triton: Any) -> Iterator[Server]:
    """The real server."""
    folder = tmp_path_factory.mktemp("triton")
    model = folder / "models" / "simple"
    (model / "1").mkdir(parents=True)
    config = (SIMPLE / "config.pbtxt").read_text()
    (model / "config.pbtxt").write_text(config.replace('platform: "onnxruntime_onnx"', 'backend: "python"'))
    (model / "1" / "model.py").write_text(PYTHON_MODEL)
    with (
        real_triton(model.parent, folder / "log") as running,
        shared(running.http[1], int(running.grpc.rpartition(":")[2])) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    repository = tmp_path_factory.mktemp("naiad")
    shutil.copytree(SIMPLE, repository / "simple")
    with (
        running_server(str(repository), allow_client_shm=True) as running,
        shared(running.server.http_port, running.server.grpc_port) as server,
    ):
        yield server


@pytest.fixture(autouse=True)
def fresh(triton: Server, ours: Server) -> None:
    """Each test finds one region, `r`, with what was in it in the beginning."""
    for server in (triton, ours):
        assert server.unregister_all() == (200, None)
        (OBJECTS / server.key).write_bytes(CONTENT)
        body = {"key": "KEY", "byte_size": 256}
        assert server.post("/v2/systemsharedmemory/region/r/register", body) == (200, None)


SYSTEM, OF_CUDA = "/v2/systemsharedmemory", "/v2/cudasharedmemory"
NEW = f"{SYSTEM}/region/n/register"


def sizes(byte_size: Any, offset: Any = 0, key: Any = "/KEY") -> dict[str, Any]:
    return {"key": key, "byte_size": byte_size, "offset": offset}


CALLS: list[tuple[str, str, Any, str]] = [
    ("GET", f"{SYSTEM}/status", None, ""),
    ("GET", f"{SYSTEM}/region/r/status", None, ""),
    ("GET", f"{SYSTEM}/region/x/status", None, ""),
    ("GET", f"{OF_CUDA}/status", None, ""),
    ("GET", f"{OF_CUDA}/region/r/status", None, ""),
    ("GET", f"{OF_CUDA}/region/x/status", None, ""),
    ("POST", f"{SYSTEM}/status", None, ""),
    ("GET", f"{SYSTEM}/unregister", None, ""),
    ("POST", f"{SYSTEM}/unregister", None, ""),
    ("POST", f"{SYSTEM}/region/r/unregister", None, ""),
    ("POST", f"{SYSTEM}/region/x/unregister", None, ""),
    ("POST", f"{OF_CUDA}/unregister", None, ""),
    ("POST", f"{OF_CUDA}/region/r/unregister", None, ""),
    ("POST", f"{SYSTEM}/register", sizes(4), ""),
    ("POST", f"{OF_CUDA}/register", {}, ""),
    ("POST", f"{OF_CUDA}/region/c/register", {"raw_handle": {"b64": "AAAA"}, "device_id": 0, "byte_size": 4}, ""),
    ("POST", f"{SYSTEM}/region/r/register", sizes(4), ""),
    ("POST", f"{SYSTEM}/region/a%20b/register", sizes(4), NAME),
    ("POST", NEW, {}, ""),
    ("POST", NEW, {"key": "/KEY"}, ""),
    *(("POST", NEW, sizes(wrong), "") for wrong in (-1, 1.5, "4", True, None, 2**64, 257, 2**63)),
    *(("POST", NEW, sizes(4, wrong), "") for wrong in (-1, 0.5, "0", True, None, 2**64, 253)),
    ("POST", NEW, sizes(128), ""),
    ("POST", NEW, sizes(256), ""),
    ("POST", NEW, sizes(4, key="//KEY"), ""),
    ("POST", NEW, sizes(0), REGISTER),
    ("POST", NEW, sizes(128, 64), REGISTER),
    *(("POST", NEW, sizes(4, key=wrong), "") for wrong in ("", "nope", "/a/b", "..", 5, None)),
    ("POST", NEW, sizes(4, key="/"), SLASH),
    ("POST", NEW, sizes(4, key="/triton_python_backend_shm_region_0"), RESERVED),
]


@pytest.mark.parametrize(("method", "path", "body", "difference"), CALLS)
def test_http(triton: Server, ours: Server, method: str, path: str, body: Any, difference: str) -> None:
    answers = [server.post(path, body, method) for server in (triton, ours)]
    statuses = [server.post(f"{SYSTEM}/status", None, "GET") for server in (triton, ours)]
    same = answers[0] == answers[1] and statuses[0] == statuses[1]
    assert same is not bool(difference), (answers, statuses)


METHODS: list[tuple[str, dict[str, Any], str]] = [
    ("SystemSharedMemoryStatus", {}, ""),
    ("SystemSharedMemoryStatus", {"name": "r"}, ""),
    ("SystemSharedMemoryStatus", {"name": "x"}, ""),
    ("CudaSharedMemoryStatus", {}, ""),
    ("CudaSharedMemoryStatus", {"name": "r"}, ""),
    ("CudaSharedMemoryStatus", {"name": "x"}, ""),
    ("SystemSharedMemoryUnregister", {}, ""),
    ("SystemSharedMemoryUnregister", {"name": "r"}, ""),
    ("SystemSharedMemoryUnregister", {"name": "x"}, ""),
    ("CudaSharedMemoryUnregister", {}, ""),
    ("CudaSharedMemoryUnregister", {"name": "r"}, ""),
    ("CudaSharedMemoryRegister", {"name": "c", "raw_handle": b"a", "byte_size": 4}, ""),
    ("SystemSharedMemoryRegister", {"name": "r", "key": "KEY", "byte_size": 4}, ""),
    ("SystemSharedMemoryRegister", {"name": "n", "key": "/KEY", "byte_size": 256}, ""),
    ("SystemSharedMemoryRegister", {"name": "n", "key": "/KEY", "byte_size": 257}, ""),
    ("SystemSharedMemoryRegister", {"name": "n", "key": "/KEY", "byte_size": 4, "offset": 253}, ""),
    ("SystemSharedMemoryRegister", {"name": "n", "key": "/KEY", "byte_size": 4, "offset": 3}, REGISTER),
    ("SystemSharedMemoryRegister", {"name": "n", "key": "nope", "byte_size": 4}, ""),
    ("SystemSharedMemoryRegister", {"key": "/KEY", "byte_size": 4}, NAME),
]


@pytest.mark.parametrize(("method", "fields", "difference"), METHODS)
def test_grpc(triton: Server, ours: Server, method: str, fields: dict[str, Any], difference: str) -> None:
    answers = [server.call(method, fields) for server in (triton, ours)]
    statuses = [server.call("SystemSharedMemoryStatus", {}) for server in (triton, ours)]
    same = answers[0] == answers[1] and statuses[0] == statuses[1]
    assert same is not bool(difference), (answers, statuses)


def at(offset: Any = 0, byte_size: Any = 64, region: Any = "r", **more: Any) -> dict[str, Any]:
    values = {"region": region, "offset": offset, "byte_size": byte_size}
    return {f"shared_memory_{name}": value for name, value in values.items() if value is not None} | more


def given(name: str, parameters: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    tensor = {"name": name, "datatype": "INT32", "shape": [1, 16], **more}
    return tensor if parameters is None else tensor | {"parameters": parameters}


def request(*places: dict[str, Any] | None, out: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """INPUT0 and INPUT1 where they are said to be; those of CONTENT by default."""
    places = places + (at(), at(64))[len(places) :]
    body = {"inputs": [given(f"INPUT{index}", place) for index, place in enumerate(places)], **more}
    return body if out is None else {**body, "outputs": out}


def wanted(name: str = "OUTPUT0", *arguments: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "parameters": at(*arguments, **more)}


BOTH: list[tuple[dict[str, Any], str]] = [
    (request(), ""),
    (request(id="one"), ""),
    (request(out=[wanted("OUTPUT0", 128), wanted("OUTPUT1", 192)]), ""),
    (request(out=[wanted("OUTPUT0", 128)]), ""),
    (request(out=[wanted("OUTPUT0", 64), wanted("OUTPUT1")]), ""),
    (request(out=[wanted("OUTPUT0", 131)]), ""),
    (request(at(3), at(65)), ""),
    (request(at(region="x")), ""),
    (request(at(256)), ""),
    (request(at(200)), ""),
    (request(at(2**63 - 1)), ""),
    (request(at(0, 2**63 - 1)), ""),
    (request(at(0, 60)), ""),
    (request(at(0, 68)), ""),
    (request(at(0, 0)), EMPTY),
    (request(out=[wanted("OUTPUT0", 128, 63)]), ""),
    (request(out=[wanted("OUTPUT0", 128, 65)]), ""),
    (request(out=[wanted("OUTPUT0", 193)]), ""),
    (request(out=[wanted("OUTPUT0", 256)]), ""),
    (request(out=[wanted("OUTPUT0", region="x")]), ""),
    (request(out=[wanted("OUTPUT0", classification=2)]), ""),
    (request(out=[wanted("X", 128)]), ""),
]

JSON: list[tuple[dict[str, Any], str]] = [
    (request(at(2**64 - 1)), ""),
    (request(at(2**64)), ""),
    (request(at(2, 2**64 - 1)), RANGES),
    (request(at(-1)), ""),
    (request(at("0")), ""),
    (request(at(0, "64")), ""),
    (request(at(0, -1)), ""),
    (request(at(region=1)), ""),
    (request(at(byte_size=None)), EMPTY),
    (request(at(binary_data_size=64)), ""),
    ({"inputs": [given("INPUT0", at(), data=[1] * 16), given("INPUT1", at())]}, ""),
    ({"inputs": [given("INPUT0", None, data=[1] * 16), given("INPUT1", at())]}, ""),
    (request(out=[wanted("OUTPUT0", 128, binary_data=True)]), ""),
    (request(out=[wanted("OUTPUT0", 128, binary_data=False)]), ""),
    (request(out=[wanted("OUTPUT0", 128)], parameters={"binary_data_output": True}), ""),
    (request(out=[wanted("OUTPUT0", 128), {"name": "OUTPUT1"}]), ""),
]


@pytest.mark.parametrize(("body", "difference"), BOTH + JSON)
def test_inference_over_http(triton: Server, ours: Server, body: dict[str, Any], difference: str) -> None:
    answers = [(server.post("/v2/models/simple/infer", body), server.content) for server in (triton, ours)]
    assert (answers[0] == answers[1]) is not bool(difference), answers


def typed(body: dict[str, Any]) -> dict[str, Any]:
    """As fields of a message."""
    kinds = {str: "string_param", int: "int64_param", bool: "bool_param"}
    fields = dict(body)
    for key in ("inputs", "outputs"):
        fields[key] = [
            {**one, "parameters": {name: {kinds[type(value)]: value} for name, value in one["parameters"].items()}}
            if "parameters" in one
            else one
            for one in body.get(key, [])
        ]
    return {"model_name": "simple", **fields}


SENT = np.full(16, 9, np.int32).tobytes()
MESSAGES: list[tuple[dict[str, Any], str]] = [
    (request(at(-1)), ""),
    (request(at(0, -1)), ""),
    (request(at("0")), ""),
    (request(at(0, "64")), ""),
    (request(at(region=1)), ""),
    (request(at(byte_size=None)), ""),
    (request(at(region=None)), ""),
    (request(at(region=None, offset=None)), ""),
    (request(None, raw_input_contents=[SENT]), ""),
    (request(at(), None, raw_input_contents=[SENT]), ""),
    (request(None, None, raw_input_contents=[SENT, SENT], out=[wanted("OUTPUT1", 128)]), ""),
    (request(at(), None, raw_input_contents=[SENT, SENT]), RAW),
    (request(at(), at(), raw_input_contents=[SENT]), RAW),
    (request(at(), None), ""),
    ({"inputs": [given("INPUT0", at()), given("INPUT1", None, contents={"int_contents": [1] * 16})]}, ""),
    ({"inputs": [given("INPUT0", at(), contents={"int_contents": [1] * 16}), given("INPUT1", at())]}, ""),
    (request(out=[wanted("OUTPUT0", 128, None)]), ""),
    (request(out=[wanted("OUTPUT0", 128, region=None)]), ""),
    (request(out=[wanted("OUTPUT0", 128, binary_data=True)]), ""),
]


@pytest.mark.parametrize(("body", "difference"), BOTH + MESSAGES)
def test_inference_over_grpc(triton: Server, ours: Server, body: dict[str, Any], difference: str) -> None:
    answers = [(server.call("ModelInfer", typed(body)), server.content) for server in (triton, ours)]
    assert (answers[0] == answers[1]) is not bool(difference), answers


@pytest.mark.parametrize("region", ["r", "x"])
def test_an_unknown_model(triton: Server, ours: Server, region: str) -> None:
    body = request(at(region=region), out=[wanted("OUTPUT0", 128, region=region)])
    answers = [
        (server.post("/v2/models/nope/infer", body), server.call("ModelInfer", typed(body) | {"model_name": "nope"}))
        for server in (triton, ours)
    ]
    assert answers[0] == answers[1]


def test_the_page_has_every_difference() -> None:
    page = " ".join(PAGE.read_text().split())
    differences = {RANGES, EMPTY, REGISTER, NAME, SLASH, RESERVED, RAW}
    assert {sentence for sentence in differences if sentence not in page} == set()
