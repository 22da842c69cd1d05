"""Tensors in system shared memory, over both doors, by Triton's own client and as bare requests."""

from __future__ import annotations

import base64
import http.client
import json
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest

from naiad.proto.pool import message_class
from naiad.testing import RunningServer, running_server

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")
triton_http = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")
triton_grpc = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed")
triton_shm = pytest.importorskip("tritonclient.utils.shared_memory", reason="tritonclient is not installed")
utils = pytest.importorskip("tritonclient.utils", reason="tritonclient is not installed")

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "shared-memory.md"
MODELS = Path(__file__).parents[1] / "data" / "model_repository"
OBJECTS = Path("/dev") / "shm"
SERVICE = "/inference.GRPCInferenceService/"
ECHO = """name: "echo"
backend: "identity"
max_batch_size: 64
input [ { name: "x" data_type: TYPE_FP32 dims: [ -1 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ -1 ] } ]
"""
LEFT, RIGHT = np.arange(16, dtype=np.int32)[None], np.full((1, 16), 3, np.int32)
SYSTEM, CUDA = "/v2/systemsharedmemory", "/v2/cudasharedmemory"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models")
    for name in ("simple", "simple_string"):
        shutil.copytree(MODELS / name, folder / name)
    (folder / "echo" / "1").mkdir(parents=True)
    (folder / "echo" / "config.pbtxt").write_text(ECHO)
    return str(folder)


@pytest.fixture(scope="module")
def server(repository: str) -> Iterator[RunningServer]:
    if not OBJECTS.is_dir():
        pytest.skip("no /dev/shm on this system")
    with running_server(repository, allow_client_shm=True) as running:
        assert running.all_loaded
        yield running


class Side:
    """One door, as a client of Triton's sees it; the two differ in nothing but their modules."""

    def __init__(self, module: Any, server: RunningServer) -> None:
        self.module = module
        self.client = module.InferenceServerClient(server.address if module is triton_http else server.grpc_address)
        self.regions: list[Any] = []

    def region(self, name: str, byte_size: int, offset: int = 0, size: int = 0) -> Any:
        """Make an object, register a part of it, and return its handle."""
        key = f"/naiad-test-{uuid.uuid4().hex}"
        handle = triton_shm.create_shared_memory_region(name, key, size or byte_size + offset)
        self.regions.append(handle)
        self.client.register_system_shared_memory(name, key, byte_size, offset)
        return handle

    def input(self, name: str, region: str, byte_size: int, offset: int = 0, **more: Any) -> Any:
        made = self.module.InferInput(name, more.get("shape", [1, 16]), more.get("datatype", "INT32"))
        return made.set_shared_memory(region, byte_size, offset)

    def output(self, name: str, region: str, byte_size: int, offset: int = 0) -> Any:
        made = self.module.InferRequestedOutput(name)
        made.set_shared_memory(region, byte_size, offset)
        return made

    def close(self) -> None:
        self.client.unregister_system_shared_memory()
        self.client.close()
        for handle in self.regions:
            triton_shm.destroy_shared_memory_region(handle)


@pytest.fixture(params=["http", "grpc"])
def side(request: pytest.FixtureRequest, server: RunningServer) -> Iterator[Side]:
    opened = Side({"http": triton_http, "grpc": triton_grpc}[request.param], server)
    yield opened
    opened.close()


def contents(handle: Any, byte_size: int, offset: int = 0) -> bytes:
    raw: bytes = triton_shm.get_contents_as_numpy(handle, np.uint8, [byte_size], offset).tobytes()
    return raw


def test_inputs_and_outputs_in_memory(side: Side) -> None:
    """Two regions, at any place in them; the answer has names and shapes only."""
    inside = side.region("in", 128)
    outside = side.region("out", 200, offset=4099)
    triton_shm.set_shared_memory_region(inside, [LEFT, RIGHT])
    result = side.client.infer(
        "simple",
        [side.input("INPUT0", "in", 64), side.input("INPUT1", "in", 64, 64)],
        outputs=[side.output("OUTPUT0", "out", 64, 5), side.output("OUTPUT1", "out", 70, 100)],
        request_id="a",
    )
    expected = bytes(4104) + (LEFT + RIGHT).tobytes() + bytes(31) + (LEFT - RIGHT).tobytes()
    assert contents(outside, 4299) == expected + bytes(4299 - len(expected))
    output = result.get_output("OUTPUT0")
    if side.module is triton_http:
        assert output == {"name": "OUTPUT0", "datatype": "INT32", "shape": [1, 16]}
    else:
        assert (output.name, output.datatype, list(output.shape)) == ("OUTPUT0", "INT32", [1, 16])
        assert list(result.get_response().raw_output_contents) == [b"", b""]


def test_one_region_for_everything(side: Side) -> None:
    """The output may even lie on the input: it is written when the model has run."""
    handle = side.region("both", 128)
    triton_shm.set_shared_memory_region(handle, [LEFT, RIGHT])
    side.client.infer(
        "simple",
        [side.input("INPUT0", "both", 64), side.input("INPUT1", "both", 64, 64)],
        outputs=[side.output("OUTPUT0", "both", 64), side.output("OUTPUT1", "both", 64, 64)],
    )
    assert contents(handle, 128) == (LEFT + RIGHT).tobytes() + (LEFT - RIGHT).tobytes()


def test_some_in_memory_and_some_sent(side: Side) -> None:
    inside, outside = side.region("in", 64), side.region("out", 64)
    triton_shm.set_shared_memory_region(inside, [RIGHT])
    sent = side.module.InferInput("INPUT0", [1, 16], "INT32")
    sent.set_data_from_numpy(LEFT)
    result = side.client.infer(
        "simple",
        [sent, side.input("INPUT1", "in", 64)],
        outputs=[side.output("OUTPUT1", "out", 64), side.module.InferRequestedOutput("OUTPUT0")],
    )
    assert (result.as_numpy("OUTPUT0") == LEFT + RIGHT).all()
    assert contents(outside, 64) == (LEFT - RIGHT).tobytes()


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_repeated_request_finds_what_is_registered_now(side: Side, in_memory: bool) -> None:
    """Nothing of a region is remembered with a request that comes again and again."""
    for _ in range(3):
        source, target = side.region("in", 64), side.region("out", 64)
        triton_shm.set_shared_memory_region(source, [RIGHT])
        sent = [side.module.InferInput(name, [1, 16], "INT32") for name in ("INPUT0", "INPUT1")]
        for one in sent:
            one.set_data_from_numpy(LEFT)
        inputs = [side.input("INPUT0", "in", 64), sent[1]] if in_memory else sent
        for _ in range(5):
            triton_shm.set_shared_memory_region(target, [np.zeros(16, np.int32)])
            side.client.infer("simple", inputs, outputs=[side.output("OUTPUT0", "out", 64)])
            assert contents(target, 64) == (LEFT + (RIGHT if in_memory else LEFT)).tobytes()
        side.client.unregister_system_shared_memory()
        with pytest.raises(utils.InferenceServerException, match="Unable to find shared memory region"):
            side.client.infer("simple", inputs, outputs=[side.output("OUTPUT0", "out", 64)])


def test_strings(side: Side) -> None:
    words = np.array([[str(number).encode() for number in range(16)]], object)
    raw = utils.serialize_byte_tensor(words)
    size = len(raw.item())
    inside, outside = side.region("in", 2 * size), side.region("out", 200)
    triton_shm.set_shared_memory_region(inside, [raw, raw])
    more = {"datatype": "BYTES"}
    side.client.infer(
        "simple_string",
        [side.input("INPUT0", "in", size, **more), side.input("INPUT1", "in", size, size, **more)],
        outputs=[side.output("OUTPUT0", "out", 200)],
    )
    added = triton_shm.get_contents_as_numpy(outside, np.object_, [1, 16])
    assert [int(word) for word in added.ravel()] == [2 * number for number in range(16)]


def test_many_at_a_time(side: Side) -> None:
    """Requests that share a batch get each its own bytes."""
    rows, width = 40, 300
    values = np.random.default_rng(1).standard_normal((rows, width)).astype(np.float32)
    inside, outside = side.region("in", values.nbytes), side.region("out", values.nbytes)
    triton_shm.set_shared_memory_region(inside, [values])
    size = 4 * width

    def one(row: int) -> None:
        with side.module.InferenceServerClient(side.client._parsed_url.netloc if http_side else target) as client:
            client.infer(
                "echo",
                [side.input("x", "in", size, row * size, shape=[1, width], datatype="FP32")],
                outputs=[side.output("y", "out", size, (rows - 1 - row) * size)],
            )

    http_side = side.module is triton_http
    target = None if http_side else side.client._channel._channel.target().decode()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(rows)))
    assert contents(outside, values.nbytes) == values[::-1].tobytes()


def test_a_stream(server: RunningServer) -> None:
    side = Side(triton_grpc, server)
    inside, outside = side.region("in", 128), side.region("out", 640)
    triton_shm.set_shared_memory_region(inside, [LEFT, RIGHT])
    answers: SimpleQueue[Any] = SimpleQueue()
    side.client.start_stream(lambda result, error: answers.put((result, error)))
    for place in range(5):
        side.client.async_stream_infer(
            "simple",
            [side.input("INPUT0", "in", 64), side.input("INPUT1", "in", 64, 64)],
            outputs=[side.output("OUTPUT0", "out", 64 if place else 63, 64 * place)],
            request_id=str(place),
        )
    results = [answers.get(timeout=30) for _ in range(5)]
    side.client.stop_stream()
    assert "(63 bytes) should be at least 64 bytes" in str(results[0][1])
    assert [result.get_response().id for result, _ in results[1:]] == ["1", "2", "3", "4"]
    assert contents(outside, 320) == bytes(64) + 4 * (LEFT + RIGHT).tobytes()
    side.close()


def test_the_calls_of_triton_s_client(side: Side) -> None:
    side.region("b", 64)
    side.region("a", 32, offset=8)
    status = side.client.get_system_shared_memory_status()
    if side.module is triton_grpc:
        rows = {name: (row.name, row.offset, row.byte_size) for name, row in status.regions.items()}
        assert list(side.client.get_system_shared_memory_status("a").regions) == ["a"]
        assert not side.client.get_cuda_shared_memory_status().regions
    else:
        rows = {row["name"]: (row["name"], row["offset"], row["byte_size"]) for row in status}
        assert [row["name"] for row in side.client.get_system_shared_memory_status("a")] == ["a"]
        assert side.client.get_cuda_shared_memory_status() == []
    assert rows == {"a": ("a", 8, 32), "b": ("b", 0, 64)}
    with pytest.raises(utils.InferenceServerException, match="shared memory region 'a' already in manager"):
        side.client.register_system_shared_memory("a", "/x", 1)
    with pytest.raises(utils.InferenceServerException, match="registered as system shared memory, not CUDA"):
        side.client.get_cuda_shared_memory_status("a")
    with pytest.raises(utils.InferenceServerException, match="failed to register shared memory region: invalid args"):
        side.client.register_cuda_shared_memory("c", base64.b64encode(b"x" * 64), 0, 8)
    side.client.unregister_cuda_shared_memory()
    side.client.unregister_system_shared_memory("a")
    side.client.unregister_system_shared_memory("a")
    with pytest.raises(utils.InferenceServerException, match="Unable to find system shared memory region: 'a'"):
        side.client.get_system_shared_memory_status("a")


def ask(server: RunningServer, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """One bare HTTP request; the answer's JSON, or bytes."""
    connection = http.client.HTTPConnection(server.address, timeout=30)
    connection.request(method, path, body if isinstance(body, bytes | None) else json.dumps(body))
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, json.loads(content) if content else b""


def ask_grpc(server: RunningServer, method: str, **fields: Any) -> Any:
    """One bare RPC; the answer's message, or (status, words)."""
    raw = message_class(f"{method}Request")(**fields).SerializeToString()
    with grpc.insecure_channel(server.grpc_address) as channel:
        try:
            answer = channel.unary_unary(SERVICE + method)(raw, timeout=30)
        except grpc.RpcError as error:
            return error.code().name, error.details()
    return message_class(f"{method}Response").FromString(answer)


@pytest.fixture
def regions(server: RunningServer) -> Iterator[str]:
    """Regions `in` and `out` of 256 bytes each; gives their key."""
    side = Side(triton_http, server)
    handle = side.region("in", 256)
    side.client.register_system_shared_memory("out", handle._shm_key, 256)
    triton_shm.set_shared_memory_region(handle, [LEFT, RIGHT])
    yield handle._shm_key
    side.close()


UNSIGNED = "attempt to access JSON non-unsigned-integer as unsigned-integer"
STRING = "attempt to access JSON non-string as string"
ARGS = "failed to register shared memory region 'r': invalid args"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 400, "Shared memory register request has no 'key' field"),
        ({"key": "/k"}, 400, "Shared memory register request has no 'byte_size' field"),
        ({"key": 1, "byte_size": 4}, 500, STRING),
        ({"key": "KEY", "byte_size": -1}, 500, UNSIGNED),
        ({"key": "KEY", "byte_size": 1.5}, 500, UNSIGNED),
        ({"key": "KEY", "byte_size": "4"}, 500, UNSIGNED),
        ({"key": "KEY", "byte_size": 2**64}, 500, UNSIGNED),
        ({"key": "KEY", "byte_size": True}, 500, UNSIGNED),
        ({"key": "KEY", "byte_size": 4, "offset": -1}, 500, UNSIGNED),
        ({"key": "KEY", "byte_size": 4, "offset": None}, 500, UNSIGNED),
        ({"key": "KEY", "byte_size": 0}, 400, ARGS),
        ({"key": "KEY", "byte_size": 257}, 400, ARGS),
        ({"key": "KEY", "byte_size": 256, "offset": 1}, 400, ARGS),
        ({"key": "KEY", "byte_size": 2**64 - 1, "offset": 2}, 400, ARGS),
        ({"key": "KEY", "byte_size": 2, "offset": 2**64 - 1}, 400, ARGS),
        ({"key": "/nope", "byte_size": 4}, 500, "Unable to open shared memory region: '/nope'"),
        ({"key": "/../etc/passwd", "byte_size": 4}, 500, "Unable to open shared memory region: '/../etc/passwd'"),
        ({"key": "a\0b", "byte_size": 4}, 500, "Unable to open shared memory region: 'a\0b'"),
        ({"key": "", "byte_size": 4}, 500, "Unable to open shared memory region: ''"),
        ({"key": "/", "byte_size": 4}, 400, "failed to register shared memory region 'r': invalid shm key '/'"),
    ],
)
def test_what_cannot_be_registered(
    server: RunningServer, regions: str, body: dict[str, Any], status: int, message: str
) -> None:
    """Keys, sizes and words; over gRPC, where types are the protocol's, the rest is the same."""
    body = {name: regions if value == "KEY" else value for name, value in body.items()}
    assert ask(server, "POST", f"{SYSTEM}/region/r/register", body) == (status, {"error": message})
    if message in (UNSIGNED, STRING) or len(body) < 2:
        return
    code = {400: "INVALID_ARGUMENT", 500: "INTERNAL"}[status]
    assert ask_grpc(server, "SystemSharedMemoryRegister", name="r", **body) == (code, message)


def test_http_only(server: RunningServer) -> None:
    empty = {"error": "'region name' is necessary to register system shared memory region"}
    assert ask(server, "POST", f"{SYSTEM}/register", {"key": "k", "byte_size": 1}) == (400, empty)
    empty = {"error": "'region name' is necessary to register cuda shared memory region"}
    assert ask(server, "POST", f"{CUDA}/register", {}) == (400, empty)
    assert ask(server, "POST", f"{SYSTEM}/region/r/register", b"{")[0] == 500
    for family in (SYSTEM, CUDA):
        assert ask(server, "POST", f"{family}/status")[0] == 405
        assert ask(server, "GET", f"{family}/unregister")[0] == 405
        assert ask(server, "GET", f"{family}/region/r/register")[0] == 405
        assert ask(server, "GET", f"{family}/region//status")[0] == 404
        assert ask(server, "POST", f"{family}/region/r/unregister") == (200, b"")


def test_names_may_be_anything(server: RunningServer, regions: str) -> None:
    """Over HTTP the path is decoded, so that a request can name the region as it was meant."""
    assert ask(server, "POST", f"{SYSTEM}/region/a%20b%2Fc/register", {"key": regions, "byte_size": 9})[0] == 200
    assert "a b/c" in ask_grpc(server, "SystemSharedMemoryStatus").regions


def memory(region: Any = "in", offset: Any = 0, byte_size: Any = 64, **more: Any) -> dict[str, Any]:
    values = {"region": region, "offset": offset, "byte_size": byte_size}
    return {f"shared_memory_{name}": value for name, value in values.items() if value is not None} | more


FINE = memory()
MISSING = "Unable to find shared memory region: 'x'"
OFFSET, RANGE = (f"Invalid offset{what} for shared memory region: 'in'" for what in ("", " + byte size"))
MARK = "[request id: <id_unknown>] "


TOO_SMALL = (
    "shared memory size specified with the request for output 'OUTPUT0' (63 bytes) should be at least 64 bytes to hold "
    "the results"
)


def mismatch(got: int) -> str:
    return f"{MARK}input byte size mismatch for input 'INPUT0' for model 'simple'. Expected 64, got {got}"


@pytest.mark.parametrize(
    ("of_input", "of_output", "status", "message"),
    [
        (memory("x"), FINE, 404, MISSING),
        (FINE, memory("x"), 404, MISSING),
        (memory(offset=256), FINE, 400, OFFSET),
        (memory(offset=2**63 - 1), FINE, 400, OFFSET),
        (FINE, memory(offset=256), 400, OFFSET),
        (memory(offset=200), FINE, 400, RANGE),
        (memory(byte_size=2**63 - 1), FINE, 400, RANGE),
        (FINE, memory(offset=193), 400, RANGE),
        (memory(byte_size=0), FINE, 400, mismatch(0)),
        (memory(byte_size=60), FINE, 400, mismatch(60)),
        (memory(byte_size=68), FINE, 400, mismatch(68)),
        (
            FINE,
            memory(byte_size=63),
            500,
            TOO_SMALL,
        ),
    ],
)
def test_ranges_that_are_wrong(
    server: RunningServer, regions: str, of_input: dict[str, Any], of_output: dict[str, Any], status: int, message: str
) -> None:
    """The same words over both doors."""
    del regions
    fixed = {"datatype": "INT32", "shape": [1, 16]}
    body = {
        "inputs": [
            {"name": "INPUT0", **fixed, "parameters": of_input},
            {"name": "INPUT1", **fixed, "parameters": FINE},
        ],
        "outputs": [{"name": "OUTPUT0", "parameters": of_output}],
    }
    assert ask(server, "POST", "/v2/models/simple/infer", body) == (status, {"error": message})
    for tensor in (*body["inputs"], *body["outputs"]):
        tensor["parameters"] = {
            name: {"string_param" if isinstance(value, str) else "int64_param": value}
            for name, value in tensor["parameters"].items()
        }
    code = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 500: "INTERNAL"}[status]
    assert ask_grpc(server, "ModelInfer", model_name="simple", **body) == (code, message)


@pytest.mark.parametrize("is_grpc", [False, True])
def test_it_is_off_unless_allowed(repository: str, is_grpc: bool) -> None:
    """Also for requests; only the status tells that there is nothing."""
    off = "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable."
    fixed = {"name": "INPUT0", "datatype": "INT32", "shape": [1, 16]}
    with running_server(f"{repository}/simple") as plain:
        if is_grpc:
            refused = ("UNIMPLEMENTED", off)
            for kind in ("System", "Cuda"):
                assert ask_grpc(plain, f"{kind}SharedMemoryRegister", name="r") == refused
                assert ask_grpc(plain, f"{kind}SharedMemoryUnregister") == refused
                assert not ask_grpc(plain, f"{kind}SharedMemoryStatus").regions
            parameters = {"shared_memory_region": {"string_param": "r"}, "shared_memory_byte_size": {"int64_param": 64}}
            entry = {**fixed, "parameters": parameters}
            assert ask_grpc(plain, "ModelInfer", model_name="simple", inputs=[entry]) == refused
            output = {"name": "OUTPUT0", "parameters": parameters}
            assert ask_grpc(plain, "ModelInfer", model_name="simple", outputs=[output]) == refused
            return
        answer = (501, {"error": off})
        for family in (SYSTEM, CUDA):
            assert ask(plain, "POST", f"{family}/region/r/register", b"{") == answer
            assert ask(plain, "POST", f"{family}/unregister") == answer
            assert ask(plain, "GET", f"{family}/status") == (200, [])
            assert ask(plain, "GET", f"{family}/region/r/status")[0] == 404
        entry = {**fixed, "parameters": memory("r")}
        assert ask(plain, "POST", "/v2/models/simple/infer", {"inputs": [entry]}) == answer
        body = {"inputs": [], "outputs": [{"name": "OUTPUT0", "parameters": memory("r")}]}
        assert ask(plain, "POST", "/v2/models/simple/infer", body) == answer


def test_the_extensions_are_told(server: RunningServer) -> None:
    told = ask(server, "GET", "/v2")[1]["extensions"]
    at = told.index("model_configuration")
    assert told[at + 1 : at + 4] == ["system_shared_memory", "cuda_shared_memory", "binary_tensor_data"]


def test_a_region_outlives_the_server(repository: str) -> None:
    """It is the client's."""
    with running_server(f"{repository}/simple", allow_client_shm=True) as running:
        side = Side(triton_http, running)
        handle = side.region("in", 64)
        triton_shm.set_shared_memory_region(handle, [LEFT])
        side.client.close()
    assert (OBJECTS / handle._shm_key.lstrip("/")).read_bytes() == LEFT.tobytes()
    triton_shm.destroy_shared_memory_region(handle)


def test_nothing_can_be_written_past_the_room_that_was_given(server: RunningServer, regions: str) -> None:
    """Neither by the model nor by the client's numbers: what is around it stays as it was."""
    del regions
    call: Callable[..., Any] = ask
    for size in (0, 1, 63):
        body = {
            "inputs": [
                {"name": name, "datatype": "INT32", "shape": [1, 16], "parameters": memory()}
                for name in ("INPUT0", "INPUT1")
            ],
            "outputs": [{"name": "OUTPUT0", "parameters": memory("out", 128, size)}],
        }
        assert call(server, "POST", "/v2/models/simple/infer", body)[0] == 500
    body["outputs"] = []
    body["inputs"][0]["parameters"] = body["inputs"][1]["parameters"] = memory(offset=128)
    assert call(server, "POST", "/v2/models/simple/infer", body)[1]["outputs"][0]["data"] == [0] * 16


def test_the_page_works(server: RunningServer) -> None:
    """docs/how-to/shared-memory.md, with the server's address in place of the page's."""
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(block.replace("localhost:8000", server.address), names)  # noqa: S102 — the page is ours
    assert names["added"].tolist() == [list(range(1, 17))]
