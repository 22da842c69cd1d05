"""Exported graphs in lower precision: near the float32 graph, smaller, and no answer depends on its batch mates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from naiad.backends.onnxruntime.session import open_session
from naiad.convert.rewriting.graph_file import read_graph, write_graph
from naiad.convert.rewriting.precision import PRECISIONS, lower_precision, pack_blocks
from naiad.core.errors import LoadFailed, Unsupported
from naiad.proto.onnx_messages import parse_model

WIDE, HIDDEN, LABELS = 96, 300, 7
"""300 is no multiple of a block of 32."""


def graph(opset: int = 18, *, gemm: bool = False) -> Any:
    """x (batch, tokens, WIDE) → HIDDEN → WIDE → mean over tokens → LABELS; the last product is a classifier."""
    random = np.random.default_rng(3)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array((random.standard_normal(shape) / shape[0] ** 0.5).astype(np.float32), name)

    axes = [helper.make_node("ReduceMean", ["z", "one"], ["mean"], keepdims=0)]
    if opset < 18:
        axes = [helper.make_node("ReduceMean", ["z"], ["mean"], axes=[1], keepdims=0)]
    last = [helper.make_node("MatMul", ["mean", "c"], ["scores"]), helper.make_node("Add", ["scores", "d"], ["logits"])]
    if gemm:
        last = [
            helper.make_node("Gemm", ["mean", "g", "h"], ["between"], transB=1),
            helper.make_node("Gemm", ["between", "c", "d"], ["logits"]),
        ]
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["y"]),
        helper.make_node("Relu", ["y"], ["r"]),
        helper.make_node("MatMul", ["r", "b"], ["z"]),
        *axes,
        *last,
    ]
    weights = [weight("a", WIDE, HIDDEN), weight("b", HIDDEN, WIDE), weight("c", WIDE, LABELS), weight("d", LABELS)]
    weights += [numpy_helper.from_array(np.array([1], np.int64), "one")] if opset >= 18 else []
    weights += [weight("g", WIDE, WIDE), weight("h", WIDE)] if gemm else []
    made = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "tokens", WIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", LABELS])],
        weights,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    return parse_model(model.SerializeToString())


def run(model: Any, folder: Path, x: np.ndarray) -> np.ndarray:
    folder.mkdir(exist_ok=True)
    write_graph(model, folder / "model.onnx")
    return open_session(folder / "model.onnx").run(["logits"], {"x": x})[0]


def inputs(rows: int = 5, tokens: int = 11) -> np.ndarray:
    values = np.random.default_rng(8).standard_normal((rows, tokens, WIDE)).astype(np.float32)
    values[1] *= 50  # a row that reaches far, which must not cost the others their precision
    return values


LIMITS = {"fp16": 2e-3, "int8": 2e-2, "int8-exact": 1e-2, "int4": 0.2}


@pytest.mark.parametrize("gemm", [False, True])
@pytest.mark.parametrize("opset", [13, 17, 18, 20])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_near_the_float32_graph(precision: str, opset: int, gemm: bool, tmp_path: Path) -> None:
    x = inputs()
    expected = run(graph(opset, gemm=gemm), tmp_path / "full", x)
    model = graph(opset, gemm=gemm)
    lower_precision(model, precision)
    onnx.checker.check_model(model)
    actual = run(model, tmp_path / "lower", x)
    for one, other in zip(expected, actual, strict=True):
        assert np.abs(one - other).max() <= LIMITS[precision] * np.abs(one).max()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_answers_do_not_depend_on_batch_mates(precision: str, tmp_path: Path) -> None:
    model, x = graph(), inputs()
    lower_precision(model, precision)
    together = run(model, tmp_path / "lower", x)
    session = open_session(tmp_path / "lower" / "model.onnx")
    for row in range(len(x)):
        alone = session.run(["logits"], {"x": x[row : row + 1]})[0][0]
        assert np.abs(alone - together[row]).max() <= 1e-4 * np.abs(alone).max()


@pytest.mark.parametrize(
    ("precision", "at_most"), [("fp16", 0.55), ("int8", 0.35), ("int8-exact", 0.4), ("int4", 0.25)]
)
def test_weights_are_smaller(precision: str, at_most: float, tmp_path: Path) -> None:
    x, model = inputs(), graph()
    run(graph(), tmp_path / "full", x)
    lower_precision(model, precision)
    run(model, tmp_path / "lower", x)
    full, lower = ((tmp_path / name / "model.onnx.data").stat().st_size for name in ("full", "lower"))
    assert lower - 4 * 4096 <= full * at_most


@pytest.mark.parametrize("precision", ["int8", "int8-exact", "int4"])
def test_the_classifier_stays_in_float32(precision: str) -> None:
    model = graph()
    lower_precision(model, precision)
    assert {tensor.name for tensor in model.graph.initializer} >= {"c", "d"}
    assert not {tensor.name for tensor in model.graph.initializer} & {"a", "b"}


@pytest.mark.parametrize("precision", ["int8", "int8-exact", "int4"])
def test_a_graph_without_products_is_refused(precision: str) -> None:
    made = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["logits"])],
        "relu",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1])],
    )
    with pytest.raises(Unsupported, match=f"{precision} makes matrix products smaller.*choose fp32 or fp16"):
        lower_precision(helper.make_model(made), precision)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("inputs_", [32, 300, 5])
def test_blocks_hold_what_they_can(bits: int, inputs_: int) -> None:
    matrix = np.random.default_rng(1).standard_normal((inputs_, 6)).astype(np.float32)
    packed, scales = pack_blocks(matrix, bits)
    blocks = -(-inputs_ // 32)
    assert packed.shape == (6, blocks, 32 * bits // 8)
    assert scales.shape == (6 * blocks,)
    numbers = packed if bits == 8 else np.stack([packed & 15, packed >> 4], axis=-1).reshape(6, blocks, 32)
    restored = (numbers.astype(np.float32) - (1 << (bits - 1))) * scales.reshape(6, blocks, 1)
    restored = restored.reshape(6, -1)[:, :inputs_].T
    step = np.abs(scales).max()
    assert np.abs(restored - matrix).max() <= step * 1.001


def test_weights_begin_on_a_page(tmp_path: Path) -> None:
    write_graph(graph(), tmp_path / "model.onnx")
    written = onnx.load(str(tmp_path / "model.onnx"), load_external_data=False)
    offsets = [
        int(entry.value)
        for tensor in written.graph.initializer
        for entry in tensor.external_data
        if entry.key == "offset"
    ]
    assert len(offsets) == 3
    assert all(offset % 4096 == 0 for offset in offsets)


def test_a_file_that_is_no_graph(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\xff\xff nonsense")
    with pytest.raises(LoadFailed, match="not a readable ONNX file"):
        read_graph(tmp_path / "model.onnx")
