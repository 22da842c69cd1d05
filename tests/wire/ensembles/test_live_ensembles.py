"""Ensembles over both doors, by Triton's own clients: what its examples do, streams, traces, the cache, going away."""

from __future__ import annotations

import asyncio
import json
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from writing import chain, ensemble, part, step, write

from naiad.testing import RunningServer, running_server

http = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed (requirements/dev.txt)")
grpc = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed (requirements/dev.txt)")
utils = pytest.importorskip("tritonclient.utils", reason="tritonclient is not installed (requirements/dev.txt)")

PREPROCESS = """
import numpy
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            images = triton.get_input_tensor_by_name(request, "INPUT").as_numpy()
            if images.ravel()[0] == b"broken":
                responses.append(triton.InferenceResponse(error=triton.TritonError("no image")))
                continue
            rows = numpy.array([[len(one), one[0], one[-1]] for one in images.ravel()], numpy.float32)
            responses.append(triton.InferenceResponse([triton.Tensor("OUTPUT", rows)]))
        return responses
"""
IMAGE = """
platform: "ensemble"
max_batch_size: 8
input { name: "INPUT" data_type: TYPE_STRING dims: [ 1 ] }
output { name: "OUTPUT" data_type: TYPE_FP32 dims: [ 3 ] }
ensemble_scheduling {
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write(
        folder,
        "preprocess",
        'backend: "python" max_batch_size: 8 input { name: "INPUT" data_type: TYPE_STRING dims: [ 1 ] } '
        'output { name: "OUTPUT" data_type: TYPE_FP32 dims: [ 3 ] } instance_group { kind: KIND_CPU count: 1 }',
        files={"model.py": PREPROCESS},
    )
    write(folder, "classify", part(8, "3", "FP32").replace('name: "Y"', 'name: "Y" label_filename: "labels.txt"'))
    (folder / "classify" / "labels.txt").write_text("cat\ndog\nbird\n")
    steps = step("preprocess", {"INPUT": "INPUT"}, {"OUTPUT": "pixels"})
    steps += step("classify", {"X": "pixels"}, {"Y": "OUTPUT"})
    write(folder, "image", IMAGE + steps + "}")
    write(folder, "p", part(more="response_cache { enable: true }"))
    write(folder, "q", part())
    write(folder, "cached_steps", ensemble(chain("p:at", "q:tb")))
    write(folder, "cached", ensemble(chain("q:at", "q:tb"), more="response_cache { enable: true }"))
    write(folder, "outer", ensemble(step("cached_steps", {"a": "a"}, {"b": "t"}) + chain("q:tb")))
    write(folder, "d", part(8, "1", more="model_transaction_policy { decoupled: true }"))
    write(folder, "p8", part(8, "1"))
    write(folder, "rows", ensemble(chain("d:at", "p8:tb"), rows=8, dims="1"))
    write(folder, "slow", part(more='parameters { key: "execute_delay_ms" value { string_value: "3600000" } }'))
    write(folder, "endless", ensemble(chain("q:at", "slow:tb")))
    return folder


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces") / "trace.json"


@pytest.fixture(scope="module")
def server(folder: Path, file: Path) -> Iterator[RunningServer]:
    with running_server(
        str(folder),
        cache_config=("local,size=1000000",),
        trace_config=(f"triton,file={file}",),
        allow_setting_changes=True,
        drain_timeout_s=1.0,
    ) as running:
        assert running.all_loaded
        yield running


@pytest.fixture(params=[http, grpc], ids=["http", "grpc"])
def module(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def client(module: Any, server: RunningServer) -> Iterator[Any]:
    address = server.address if module is http else server.grpc_address
    with module.InferenceServerClient(address) as opened:
        yield opened


def tensor(module: Any, values: list[Any], datatype: str = "INT32", name: str = "a", shape: Any = None) -> Any:
    data = np.array(values, object if datatype == "BYTES" else utils.triton_to_np_dtype(datatype)).reshape(
        shape or (len(values),)
    )
    made = module.InferInput(name, list(data.shape), datatype)
    made.set_data_from_numpy(data)
    return made


def test_what_tritons_example_for_ensembles_of_images_does(module: Any, client: Any) -> None:
    """`ensemble_image_client.py`: metadata, configuration, then images as they are, and classes back."""
    metadata, config = client.get_model_metadata("image"), client.get_model_config("image")
    if module is grpc:
        assert [one.name for one in metadata.inputs] == ["INPUT"]
        assert config.config.max_batch_size == 8
    else:
        assert metadata["inputs"] == [{"name": "INPUT", "datatype": "BYTES", "shape": [-1, 1]}]
        assert config["max_batch_size"] == 8
    images = tensor(module, [b"\x01\x02\xff", b"\xff\x00"], "BYTES", "INPUT", (2, 1))
    wanted = [module.InferRequestedOutput("OUTPUT", class_count=1)]
    result = client.infer("image", [images], outputs=wanted)
    assert result.as_numpy("OUTPUT").tolist() == [[b"255.000000:2:bird"], [b"255.000000:1:dog"]]


def test_a_failing_step_is_told_to_the_client(module: Any, client: Any) -> None:
    with pytest.raises(utils.InferenceServerException) as caught:
        client.infer("image", [tensor(module, [b"broken"], "BYTES", "INPUT", (1, 1))])
    assert caught.value.message() == "in ensemble 'image', no image (step 0: model 'preprocess')"


def test_a_stream_of_answers(server: RunningServer) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    with grpc.InferenceServerClient(server.grpc_address) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        client.async_stream_infer("rows", [tensor(grpc, [5, 6, 7], shape=(3, 1))], enable_empty_final_response=True)
        got = [answers.get(timeout=30) for _ in range(3)]
        client.stop_stream()
    assert [error for _, error in got] == [None] * 3
    assert [result.as_numpy("b").tolist() for result, _ in got] == [[[5]], [[6]], [[7]]]


def counts(client: Any, model: str) -> tuple[int, int, int]:
    (row,) = client.get_inference_statistics(model)["model_stats"]
    stats = row["inference_stats"]
    return stats["success"]["count"], stats["cache_hit"]["count"], row["execution_count"]


def test_parts_and_ensembles_keep_their_answers(server: RunningServer) -> None:
    with http.InferenceServerClient(server.address) as client:
        before = {name: counts(client, name) for name in ("cached", "cached_steps", "p", "q")}
        for name in ("cached", "cached", "cached_steps", "cached_steps"):
            result = client.infer(name, [tensor(http, [123])])
            assert result.as_numpy("b").tolist() == [123]
        after = {name: counts(client, name) for name in before}
    grown = {name: tuple(np.subtract(after[name], before[name]).tolist()) for name in before}
    assert grown == {"cached": (2, 1, 1), "cached_steps": (2, 0, 2), "p": (2, 1, 1), "q": (4, 0, 4)}


def test_steps_have_traces_of_their_own_below_their_ensembles(server: RunningServer, file: Path) -> None:
    with http.InferenceServerClient(server.address) as client:
        client.update_trace_settings("outer", {"trace_level": ["TIMESTAMPS"], "trace_rate": "1"})
        client.infer("outer", [tensor(http, [77])], request_id="traced")
        client.update_trace_settings("outer", {"trace_level": ["OFF"]})
    server.run(lambda: asyncio.sleep(0))
    assert server.server.engine.tracing.flush()
    entries = json.loads(file.read_bytes())
    heads = {entry["id"]: entry for entry in entries if "model_name" in entry}
    names = {number: head["model_name"] for number, head in heads.items()}
    below = sorted((head["model_name"], names.get(head.get("parent_id"))) for head in heads.values())
    assert below == [
        ("cached_steps", "outer"),
        ("outer", None),
        ("p", "cached_steps"),
        ("q", "cached_steps"),
        ("q", "outer"),
    ]
    assert {head["request_id"] for head in heads.values()} == {"traced"}
    for number, name in names.items():
        moments = [one["timestamps"][0]["name"] for one in entries if one["id"] == number and "timestamps" in one]
        assert moments[0] == ("HTTP_RECV_START" if name == "outer" else "REQUEST_START")
        assert moments[-1] == ("HTTP_SEND_END" if name == "outer" else "REQUEST_END")
        assert ("COMPUTE_START" in moments) is (name in ("p", "q"))


def test_a_client_that_goes_away_takes_its_steps_with_it(server: RunningServer) -> None:
    with grpc.InferenceServerClient(server.grpc_address) as client:
        with pytest.raises(utils.InferenceServerException, match=r"Deadline|cancel"):
            client.infer("endless", [tensor(grpc, [1])], client_timeout=0.5)

        async def cancelled() -> bool:
            models = [server.server.engine.route(name) for name in ("endless", "slow")]
            while not all(model.statistics.failures["CANCELED"] for model in models):  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0)
            return True

        assert server.run(cancelled, 30.0)
