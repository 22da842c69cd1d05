"""Graphs as transformer-deploy's clients know them: int32 in, `output` out, embeddings pooled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from naiad.backends.onnxruntime.session import open_session
from naiad.convert.rewriting.graph_file import write_graph
from naiad.convert.rewriting.triton_names import Pooling, finish_graph
from naiad.core.encoding.pooling import normalized, pool
from naiad.core.errors import Unsupported
from naiad.proto.onnx_messages import parse_model

WIDTH = 6
IDS = np.array([[3, 1, 4, 1], [5, 9, 0, 0]])
MASK = (IDS > 0).astype(np.int64)


def graph(output: str) -> Any:
    """A table of embeddings, times the mask's own type so that both inputs are used."""
    table = np.random.default_rng(2).standard_normal((10, WIDTH)).astype(np.float32)
    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Gather", ["table", "input_ids"], ["states"]),
                helper.make_node("Cast", ["attention_mask"], ["kept"], to=TensorProto.FLOAT),
                helper.make_node("Unsqueeze", ["kept", "two"], ["column"]),
                helper.make_node("Add", ["states", "column"], [output]),
            ],
            "states",
            [
                helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
                for name in ("input_ids", "attention_mask")
            ],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", "sequence", WIDTH])],
            [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([2]), "two")],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    return parse_model(model.SerializeToString())


def run(model: Any, folder: Path, kind: type) -> np.ndarray:
    folder.mkdir()
    write_graph(model, folder / "model.onnx")
    session = open_session(folder / "model.onnx")
    names = [node.name for node in session.get_outputs()]
    return session.run(names[:1], {"input_ids": IDS.astype(kind), "attention_mask": MASK.astype(kind)})[0]


def test_scores_are_called_output_and_ids_are_int32(tmp_path: Path) -> None:
    expected = run(graph("logits"), tmp_path / "before", np.int64)
    model = graph("logits")
    finish_graph(model, None)
    onnx.checker.check_model(model.SerializeToString())
    assert [output.name for output in model.graph.output] == ["output"]
    assert np.array_equal(run(model, tmp_path / "after", np.int32), expected)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("mode", ["mean", "cls"])
def test_embeddings_are_pooled_without_padding(mode: str, normalize: bool, tmp_path: Path) -> None:
    states = run(graph("last_hidden_state"), tmp_path / "before", np.int64)
    vectors = [pool(row[: kept.sum()], mode) for row, kept in zip(states, MASK, strict=True)]
    expected = np.stack([normalized(vector) for vector in vectors] if normalize else vectors)
    model = graph("last_hidden_state")
    finish_graph(model, Pooling(mode, normalize))
    onnx.checker.check_model(model.SerializeToString())
    assert np.abs(run(model, tmp_path / "after", np.int32) - expected).max() <= 1e-6


def test_other_poolings_are_refused() -> None:
    with pytest.raises(Unsupported, match="pools by mean or cls, this model by lasttoken"):
        Pooling("lasttoken", normalize=False)
