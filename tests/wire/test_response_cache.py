"""The response cache behind real doors: one answer for equal requests, whichever way they come."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import urllib.request
from collections.abc import Iterator
from multiprocessing.shared_memory import SharedMemory as Block
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.proto.pool import message_class
from naiad.repository import ModelEntry
from naiad.testing import RunningServer, running_server, tiny_checkpoint

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")

SIMPLE = Path(__file__).parents[1] / "data" / "model_repository" / "simple"
LEFT, RIGHT = np.arange(16, dtype=np.int32), np.ones(16, np.int32)
SUM, DIFFERENCE = (LEFT + RIGHT).tolist(), (LEFT - RIGHT).tolist()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(SIMPLE, folder / "simple")
    config = folder / "simple" / "config.pbtxt"
    config.write_text(config.read_text() + "response_cache { enable: true }\n")
    text = tiny_checkpoint(tmp_path_factory.mktemp("text"))
    entries = [ModelEntry.from_source(str(folder)), ModelEntry.from_source(f"text={text}", response_cache=True)]
    options = {"model_control_mode": "explicit", "load_model": ("*",), "allow_client_shm": True}
    with running_server(*entries, cache_config=("local,size=1000000",), **options) as running:
        yield running


@pytest.fixture(autouse=True)
def fresh(server: RunningServer) -> None:
    """Load the model anew before each test, so that its numbers begin at zero."""
    post(server, "/v2/repository/models/simple/unload")
    post(server, "/v2/repository/models/simple/load")


def post(server: RunningServer, path: str, document: Any = None) -> Any:
    data = json.dumps({} if document is None else document).encode()
    with urllib.request.urlopen(server.url + path, data, timeout=30) as answer:
        content = answer.read()
        return json.loads(content) if content else None


def document(**more: Any) -> dict[str, Any]:
    inputs = [
        {"name": f"INPUT{number}", "datatype": "INT32", "shape": [1, 16], "data": values.tolist()}
        for number, values in enumerate((LEFT, RIGHT))
    ]
    return {"inputs": inputs, **more}


def counts(server: RunningServer, model: str = "simple") -> tuple[int, int, int]:
    """Success, hits, misses."""
    with urllib.request.urlopen(f"{server.url}/v2/models/{model}/stats", timeout=30) as answer:
        stats = json.loads(answer.read())["model_stats"][0]["inference_stats"]
    return stats["success"]["count"], stats["cache_hit"]["count"], stats["cache_miss"]["count"]


def page(server: RunningServer) -> dict[str, float]:
    with urllib.request.urlopen(server.metrics_url, timeout=30) as answer:
        return {
            name: float(value) for name, value in re.findall(r"^(\S+) (\S+)$", answer.read().decode(), re.MULTILINE)
        }


def test_json_binary_and_grpc_share_one_answer(server: RunningServer) -> None:
    first = post(server, "/v2/models/simple/infer", document(id="a"))
    again = post(server, "/v2/models/simple/infer", document(id="b"))
    assert again == {**first, "id": "b"}
    assert [output["data"] for output in again["outputs"]] == [SUM, DIFFERENCE]
    described = document()
    for one in described["inputs"]:
        del one["data"]
        one["parameters"] = {"binary_data_size": 64}
    head = json.dumps(described).encode()
    request = urllib.request.Request(f"{server.url}/v2/models/simple/infer", head + LEFT.tobytes() + RIGHT.tobytes())
    request.add_header("Inference-Header-Content-Length", str(len(head)))
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.loads(answer.read())["outputs"] == first["outputs"]
    inputs = [{"name": f"INPUT{number}", "datatype": "INT32", "shape": [1, 16]} for number in (0, 1)]
    raw = [LEFT.tobytes(), RIGHT.tobytes()]
    message = message_class("ModelInferRequest")(model_name="simple", inputs=inputs, raw_input_contents=raw)
    with grpc.insecure_channel(server.grpc_address) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        found = message_class("ModelInferResponse").FromString(call(message.SerializeToString(), timeout=30))
    assert [np.frombuffer(one, np.int32).tolist() for one in found.raw_output_contents] == [SUM, DIFFERENCE]
    assert counts(server) == (4, 3, 1)


def test_outputs_in_shared_memory_are_written_on_a_hit(server: RunningServer) -> None:
    block = Block(f"naiad-{secrets.token_hex(8)}", create=True, size=192)
    try:
        block.buf[:128] = LEFT.tobytes() + RIGHT.tobytes()
        region = {"key": f"/{block.name}", "offset": 0, "byte_size": 192}
        post(server, "/v2/systemsharedmemory/region/r/register", region)
        place = {"shared_memory_region": "r", "shared_memory_byte_size": 64}
        asked = document(outputs=[{"name": "OUTPUT0", "parameters": {**place, "shared_memory_offset": 128}}])
        for number, one in enumerate(asked["inputs"]):
            del one["data"]
            one["parameters"] = {**place, "shared_memory_offset": 64 * number}
        for _ in range(2):
            block.buf[128:] = bytes(64)
            post(server, "/v2/models/simple/infer", asked)
            assert np.frombuffer(bytes(block.buf[128:]), np.int32).tolist() == SUM
        block.buf[:64] = RIGHT.tobytes()
        post(server, "/v2/models/simple/infer", asked)
        assert np.frombuffer(bytes(block.buf[128:]), np.int32).tolist() == [2] * 16
        assert counts(server) == (3, 1, 2)
        post(server, "/v2/systemsharedmemory/region/r/unregister")
    finally:
        block.close()
        block.unlink()


def test_texts_are_cached_too(server: RunningServer) -> None:
    asked = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [2], "data": ["one", "two"]}]}
    first = post(server, "/v2/models/text/infer", asked)
    assert post(server, "/v2/models/text/infer", asked) == first
    described = {"inputs": [{**asked["inputs"][0], "data": ["on", "etwo"]}]}
    assert post(server, "/v2/models/text/infer", described) != first
    assert counts(server, "text") == (3, 1, 2)


def test_openais_usage_is_that_of_the_first_answer(server: RunningServer) -> None:
    asked = {"model": "text", "input": "three four"}
    first = post(server, "/v1/embeddings", asked)
    assert post(server, "/v1/embeddings", asked) == first
    assert first["usage"]["total_tokens"] > 0


def test_metrics_tell_of_the_model_and_of_the_cache(server: RunningServer) -> None:
    before = page(server)
    for _ in range(3):
        post(server, "/v2/models/simple/infer", document())
    after = page(server)
    labels = '{model="simple",version="1"}'
    assert after[f"nv_cache_num_hits_per_model{labels}"] == 2
    assert after[f"nv_cache_num_misses_per_model{labels}"] == 1
    assert after[f"nv_inference_count{labels}"] == 1
    assert after[f"nv_inference_request_success{labels}"] == 3
    assert after["nv_cache_num_lookups"] - before["nv_cache_num_lookups"] == 3
    assert after["nv_cache_num_entries"] - before["nv_cache_num_entries"] == 1
    assert 0 < after["nv_cache_util"] < 1


def test_without_a_cache_every_request_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(SIMPLE, tmp_path / "simple")
    with (tmp_path / "simple" / "config.pbtxt").open("a") as config:
        config.write("response_cache { enable: true }\n")
    with running_server(str(tmp_path)) as plain:
        for _ in range(2):
            post(plain, "/v2/models/simple/infer", document())
        assert counts(plain) == (2, 0, 0)
        assert "nv_cache_util" not in page(plain)
    assert any("response_cache has no effect without a cache" in message for message in caplog.messages)


def test_a_model_of_a_repository_says_in_its_own_file_that_it_is_cached() -> None:
    entry = ModelEntry.from_source(f"simple={SIMPLE}", response_cache=True)
    with running_server(entry) as refused:
        (row,) = post(refused, "/v2/repository/index")
    assert "a model of a repository says it in its config.pbtxt" in row["reason"]


def test_a_cache_that_cannot_be_meant_is_refused_at_start() -> None:
    with (
        pytest.raises(InvalidConfiguration, match="no cache 'memcached' here"),
        running_server(str(SIMPLE), cache_config=("memcached,host=localhost",)),
    ):
        pass
