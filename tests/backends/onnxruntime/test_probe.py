"""Graphs whose rows depend on each other are found, and only those."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoder_graphs import write_graph
from onnx import TensorProto, helper

from naiad.backends.onnxruntime.session import open_session
from naiad.backends.onnxruntime.trial.probe import run_padded
from naiad.core.encoding.encoder import EncoderSpec
from naiad.core.encoding.files import EncoderFiles
from naiad.core.errors import LoadFailed

WIDTH, WORDS = 8, 300

TABLE = np.random.default_rng(0).standard_normal((WORDS, WIDTH)).astype(np.float32)

SPEC = EncoderSpec("any", "", (), max_tokens=64, vocabulary=WORDS, layout="padded")

MASK = [
    helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
    helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
]

MEAN = [
    *MASK,
    helper.make_node("Mul", ["x", "column"], ["inside"]),
    helper.make_node("ReduceSum", ["inside", "middle"], ["sum"], keepdims=0),
    helper.make_node("ReduceSum", ["column", "middle"], ["count"], keepdims=0),
    helper.make_node("Div", ["sum", "count"], ["y"]),
]

QUANTIZED = [
    helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
    helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
]

GRAPHS: dict[str, tuple[list[Any], str]] = {
    "token states": ([helper.make_node("Identity", ["x"], ["y"])], ""),
    "mean inside the mask": (MEAN, ""),
    "softmax": ([helper.make_node("Softmax", ["x"], ["y"], axis=-1)], ""),
    "half precision": (
        [
            helper.make_node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16),
            helper.make_node("MatMul", ["half", "half_square"], ["product"]),
            helper.make_node("Cast", ["product"], ["y"], to=TensorProto.FLOAT),
        ],
        "",
    ),
    "half precision, rounded by a mean over the padding": (
        [
            *MASK,
            helper.make_node("Mul", ["x", "column"], ["inside"]),
            helper.make_node("Cast", ["inside"], ["half"], to=TensorProto.FLOAT16),
            helper.make_node("MatMul", ["half", "half_square"], ["product"]),
            helper.make_node("ReduceMean", ["product"], ["mean"], axes=[1], keepdims=0),
            helper.make_node("Cast", ["mean"], ["y"], to=TensorProto.FLOAT),
        ],
        "changes with its padding",
    ),
    "one scale for all": (QUANTIZED, r"with one scale \(DynamicQuantizeLinear\)"),
    "statistics of the batch": (
        [
            helper.make_node("ReduceMean", ["x"], ["centre"], axes=[0], keepdims=1),
            helper.make_node("Sub", ["x", "centre"], ["y"]),
        ],
        "changes with the other texts in its batch",
    ),
    "the largest of the batch": (
        [
            helper.make_node("ReduceMax", ["x"], ["top"], keepdims=1),
            helper.make_node("Div", ["x", "top"], ["y"]),
        ],
        "changes with the other texts in its batch",
    ),
    "a mean without the mask": (
        [helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=0)],
        "changes with its padding",
    ),
    "softmax over the padding": (
        [helper.make_node("Softmax", ["x"], ["y"], axis=1)],
        "changes with its padding",
    ),
    "a convolution that reaches into the padding, read at the first token": (
        [
            helper.make_node("Slice", ["x", "middle", "end", "middle"], ["later"]),
            helper.make_node("Pad", ["later", "pads"], ["shifted"]),
            helper.make_node("Add", ["x", "shifted"], ["both"]),
            helper.make_node("Gather", ["both", "first"], ["state"], axis=1),
            helper.make_node("Squeeze", ["state", "middle"], ["y"]),
        ],
        "changes with its padding",
    ),
    "one text at a time": (
        [helper.make_node("Squeeze", ["x", "first"], ["one"]), helper.make_node("Unsqueeze", ["one", "first"], ["y"])],
        "fails on several texts at once",
    ),
}


def probe(folder: Path, nodes: list[Any], **changes: Any) -> str:
    gather = helper.make_node("Gather", ["table", "input_ids"], ["x"])
    inputs = {"input_ids": ("b", "t"), "attention_mask": ("b", "t")}
    constants = {"last": np.array([2]), "middle": np.array([1]), "first": np.array([0]), "end": np.array([2**62]),
                 "pads": np.array([0, 0, 0, 0, 1, 0])}  # fmt: skip
    square = np.random.default_rng(1).standard_normal((WIDTH, WIDTH)).astype(np.float16)
    path = write_graph(
        folder / "m.onnx", [gather, *nodes], inputs, {"y": None}, table=TABLE, half_square=square, **constants
    )
    return run_padded(EncoderFiles(path, replace(SPEC, **changes)), [open_session(path), open_session(path, threads=2)])


@pytest.mark.parametrize("name", GRAPHS)
def test_what_is_found(name: str, tmp_path: Path) -> None:
    nodes, words = GRAPHS[name]
    found = probe(tmp_path, nodes)
    assert bool(words) == bool(found), found
    assert re.search(words, found)


@pytest.mark.parametrize("longest", [1, 2, 9])
def test_short_encoders(longest: int, tmp_path: Path) -> None:
    assert probe(tmp_path, MEAN, max_tokens=longest) == ""


def test_a_graph_that_cannot_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(LoadFailed, match=r"m\.onnx: its first run failed"):
        probe(tmp_path, [helper.make_node("MatMul", ["x", "column"], ["y"]), *MASK[::-1]][::-1])
