"""Reshaped and optional tensors of real ONNX models, through Triton's own client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from naiad.testing import RunningServer, running_server

http = pytest.importorskip("tritonclient.http", reason="tritonclient is not installed (requirements/dev.txt)")


def port(side: str, name: str, dims: str, reshape: str | None = None, more: str = "") -> str:
    shape = "" if reshape is None else f"reshape {{ shape: [ {reshape} ] }}"
    return f'{side} {{ name: "{name}" data_type: TYPE_FP32 dims: [ {dims} ] {shape} {more} }}\n'


CONFIGS = {
    "batched": "max_batch_size: 4\n" + port("input", "x", "6", "2, 3") + port("output", "y", "3, 2", "2, 3"),
    "alone": port("input", "x", "6", "2, 3") + port("output", "y", "1, 6", "2, 3"),
    "wild": "max_batch_size: 4\n" + port("input", "x", "-1", "-1, 1") + port("output", "y", "1, -1", "-1, 1"),
    "scalar": "max_batch_size: 4\n" + port("input", "x", "1", "") + port("output", "y", "1", ""),
    "scalar_alone": port("input", "x", "1", "") + port("output", "y", "1", ""),
    "optional": port("input", "x", "2") + port("input", "z", "2", more="optional: true") + port("output", "y", "2"),
}

SHAPES: dict[str, tuple[list[Any], list[int], list[int]]] = {
    "batched": (["b", 2, 3], [2, 6], [2, 3, 2]),
    "alone": ([2, 3], [6], [1, 6]),
    "wild": (["b", "n", 1], [2, 5], [2, 1, 5]),
    "scalar": (["b"], [3, 1], [3, 1]),
    "scalar_alone": ([], [1], [1]),
}
"""By model: what the graph takes and gives, what a request brings, what comes back."""


def save(folder: Path, shape: list[Any], *, is_optional: bool = False) -> None:
    """A graph that gives -x, or x + z with z = 10 where it is not given."""
    folder.mkdir(parents=True)
    x, z, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xzy")
    ten = [numpy_helper.from_array(np.full(shape, 10, np.float32), "z")] if is_optional else []
    node = helper.make_node("Add", ["x", "z"], ["y"]) if is_optional else helper.make_node("Neg", ["x"], ["y"])
    graph = helper.make_graph([node], "g", [x, z] if is_optional else [x], [y], ten)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx"
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    for name, config in CONFIGS.items():
        save(folder / name / "1", SHAPES[name][0] if name in SHAPES else [2], is_optional=name == "optional")
        (folder / name / "config.pbtxt").write_text(f'platform: "onnxruntime_onnx"\n{config}')
    with running_server(str(folder)) as running:
        yield running


def ask(server: RunningServer, model: str, **arrays: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    tensors = []
    for name, array in arrays.items():
        tensors.append(http.InferInput(name, list(array.shape), "FP32"))
        tensors[-1].set_data_from_numpy(array)
    with http.InferenceServerClient(server.address) as client:
        found: np.ndarray[Any, Any] = client.infer(model, tensors).as_numpy("y")
        return found


@pytest.mark.parametrize("model", SHAPES)
def test_a_request_has_the_dims_and_the_graph_the_reshape(server: RunningServer, model: str) -> None:
    _, given, expected = SHAPES[model]
    data = np.arange(np.prod(given), dtype=np.float32).reshape(given)
    np.testing.assert_array_equal(ask(server, model, x=data), -data.reshape(expected))


def test_an_optional_input_falls_back_to_what_the_graph_has(server: RunningServer) -> None:
    one = np.ones(2, np.float32)
    assert ask(server, "optional", x=one).tolist() == [11, 11]
    assert ask(server, "optional", x=one, z=one).tolist() == [2, 2]
    with pytest.raises(http.InferenceServerException, match=r"missing required input\(s\) \['x'\]"):
        ask(server, "optional", z=one)
