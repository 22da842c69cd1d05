"""Requests of different lengths at the same time share a batch, and each gets its own part of the answer."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from naiad.testing import RunningServer, running_server

CONFIG = """
max_batch_size: 4
input { name: "x" data_type: TYPE_FP32 dims: [ -1 ] allow_ragged_batch: true }
output [ { name: "doubled" data_type: TYPE_FP32 dims: [ -1 ] }, { name: "count" data_type: TYPE_INT32 dims: [ 1 ] } ]
batch_input { kind: BATCH_ELEMENT_COUNT target_name: "counts" data_type: TYPE_INT32 source_input: "x" }
batch_output { kind: BATCH_SCATTER_WITH_INPUT_SHAPE target_name: "doubled" source_input: "x" }
dynamic_batching { max_queue_delay_microseconds: 5000000 }
"""
LENGTHS = (2, 4, 1, 3)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    model = folder / "flat" / "1"
    model.mkdir(parents=True)
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["x", "x"], ["doubled"]),
            helper.make_node("Reshape", ["counts", "column"], ["count"]),
        ],
        "g",
        [info("x", TensorProto.FLOAT, ["k"]), info("counts", TensorProto.INT32, ["n"])],
        [info("doubled", TensorProto.FLOAT, ["k"]), info("count", TensorProto.INT32, ["n", 1])],
        [numpy_helper.from_array(np.array([-1, 1]), "column")],
    )
    opset = [helper.make_opsetid("", 17)]
    (model / "model.onnx").write_bytes(helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString())
    (folder / "flat" / "config.pbtxt").write_text(CONFIG)
    with running_server(str(folder)) as running:
        yield running


def ask(server: RunningServer, length: int) -> dict[str, Any]:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, length], "data": [length] * length}
    data = json.dumps({"inputs": [tensor]}).encode()
    with urllib.request.urlopen(f"{server.url}/v2/models/flat/infer", data, timeout=30) as answer:
        return {output["name"]: output for output in json.loads(answer.read())["outputs"]}


def test_requests_of_different_lengths_share_a_batch(server: RunningServer) -> None:
    with ThreadPoolExecutor(len(LENGTHS)) as threads:
        answers = list(threads.map(lambda length: ask(server, length), LENGTHS))
    for length, found in zip(LENGTHS, answers, strict=True):
        assert found["doubled"]["shape"] == [1, length]
        assert found["doubled"]["data"] == [2 * length] * length
        assert (found["count"]["shape"], found["count"]["data"]) == ([1, 1], [length])
    with urllib.request.urlopen(f"{server.url}/v2/models/flat/stats", timeout=30) as answer:
        stats = json.loads(answer.read())["model_stats"][0]
    assert (stats["inference_count"], stats["execution_count"]) == (4, 1)
