"""ONNX graphs that give their controls back: each kind, in each datatype that it may have."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import state_models
from onnx import TensorProto, helper
from sequence_models import control

from naiad.testing import RunningServer, running_server

KINDS = ("START", "END", "READY")
BOOLEANS = {
    "INT32": ("int32_false_true: [ 0, 1 ]", TensorProto.INT32, 0, 1),
    "FP32": ("fp32_false_true: [ -0.5, 2.5 ]", TensorProto.FLOAT, -0.5, 2.5),
    "BOOL": ("bool_false_true: [ true, false ]", TensorProto.BOOL, True, False),
}
"""Datatype → values in the configuration, type in the graph, what is false, what is true."""

IDS = {
    "UINT64": (TensorProto.UINT64, 2**63 + 1),
    "INT64": (TensorProto.INT64, 2**62),
    "UINT32": (TensorProto.UINT32, 2**32 - 1),
    "INT32": (TensorProto.INT32, 2**31 - 1),
    "STRING": (TensorProto.STRING, "é"),
}
"""Type of CORRID → type in the graph, the largest id, or a strange one."""


def write(folder: Any, name: str, max_batch_size: int, boolean: str, id_type: str) -> None:
    values, kind, *_ = BOOLEANS[boolean]
    types = {**dict.fromkeys(KINDS, kind), "CORRID": IDS[id_type][0]}
    shape = ["n", 1] if max_batch_size else [1]
    nodes = [helper.make_node("Identity", [one], [f"TOLD_{one}"]) for one in ("X", *types)]
    inputs = [state_models.info(one, given, *shape) for one, given in {"X": TensorProto.INT32, **types}.items()]
    outputs = [state_models.info(f"TOLD_{one}", given, *shape) for one, given in {"X": 6, **types}.items()]
    state_models.save(folder / name / "1" / "model.onnx", nodes, inputs, outputs)
    controls = [control(one, values) for one in KINDS]
    controls.append(control("CORRID", f"data_type: TYPE_{id_type}"))
    (folder / name / "config.pbtxt").write_text(
        f'backend: "onnxruntime" max_batch_size: {max_batch_size}\n'
        f"sequence_batching {{ max_sequence_idle_microseconds: 60000000 {' '.join(controls)} }}"
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Inputs and outputs are read from the graph."""
    folder = tmp_path_factory.mktemp("models")
    for boolean in BOOLEANS:
        write(folder, f"rows_{boolean}", 4, boolean, "UINT64")
        write(folder, f"no_rows_{boolean}", 0, boolean, "UINT64")
    for id_type in IDS:
        write(folder, f"id_{id_type}", 4, "INT32", id_type)
    with running_server(str(folder)) as running:
        assert running.all_loaded
        yield running


def told(server: RunningServer, model: str, name: Any, first: bool, last: bool) -> dict[str, Any]:
    document = {
        "inputs": [{"name": "X", "datatype": "INT32", "shape": [1] if model.startswith("no") else [1, 1], "data": [5]}],
        "parameters": {"sequence_id": name, "sequence_start": first, "sequence_end": last},
    }
    request = urllib.request.Request(f"{server.url}/v2/models/{model}/infer", json.dumps(document).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return {one["name"]: one["data"][0] for one in json.loads(answer.read())["outputs"]}


@pytest.mark.parametrize("boolean", BOOLEANS)
@pytest.mark.parametrize("rows", ["rows", "no_rows"])
def test_start_end_and_ready(server: RunningServer, rows: str, boolean: str) -> None:
    *_, no, yes = BOOLEANS[boolean]
    for first, last in ((True, False), (False, False), (False, True), (True, True)):
        assert told(server, f"{rows}_{boolean}", 3, first, last) == {
            "TOLD_X": 5,
            "TOLD_START": yes if first else no,
            "TOLD_END": yes if last else no,
            "TOLD_READY": yes,
            "TOLD_CORRID": 3,
        }


@pytest.mark.parametrize("id_type", IDS)
def test_the_id(server: RunningServer, id_type: str) -> None:
    name = IDS[id_type][1]
    assert told(server, f"id_{id_type}", name, True, True)["TOLD_CORRID"] == name


def test_controls_that_the_graph_has_are_no_inputs_of_the_model(server: RunningServer) -> None:
    with urllib.request.urlopen(f"{server.url}/v2/models/rows_INT32", timeout=30) as answer:
        metadata = json.loads(answer.read())
    assert [tensor["name"] for tensor in metadata["inputs"]] == ["X"]
    assert [tensor["shape"] for tensor in metadata["inputs"]] == [[-1, 1]]
