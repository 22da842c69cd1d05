"""Graphs of a few nodes with the ports of a packed encoder and of an exported one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

from naiad.backends.registry import find_backend
from naiad.core.contracts import Instances, LoadRequest
from naiad.core.encoding.encoder import EncoderItem, EncoderOutput, EncoderSpec
from naiad.core.encoding.files import EncoderFiles

HIDDEN, VOCABULARY, TYPES = 4, 40, 2

TABLE = np.random.default_rng(0).standard_normal((VOCABULARY, HIDDEN)).astype(np.float32)


def load_encoder(
    graph: Path, spec: EncoderSpec, *, count: int = 1, wide_threads: int = 1, **more: Any
) -> Instances[EncoderItem]:
    """Instances on a graph. more: fields of EncoderFiles."""
    names = tuple(f"m_{number}" for number in range(count))
    request = LoadRequest(EncoderFiles(graph, spec, **more), names, wide_threads=wide_threads)
    return find_backend("onnxruntime").load(request)


def open_encoder(graph: Path, spec: EncoderSpec, **more: Any) -> Any:
    """One narrow instance; see load_encoder."""
    (instance,) = load_encoder(graph, spec, **more).narrow
    return instance


def write_graph(
    path: Path, nodes: list[Any], inputs: dict[str, Any], outputs: dict[str, Any], **constants: Any
) -> Path:
    """Inputs are int64, outputs float32; both by name with their dims."""
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info(name, TensorProto.INT64, dims) for name, dims in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def write_packed_graph(folder: Path) -> Path:
    """A token's state is its row of a table, its position and its type added; the embedding is the first token's."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["words"]),
        helper.make_node("Add", ["positions", "type_ids"], ["number"]),
        helper.make_node("Cast", ["number"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["float", "axis"], ["column"]),
        helper.make_node("Add", ["words", "column"], ["last_hidden_state"]),
        helper.make_node("Gather", ["last_hidden_state", "starts"], ["embedding"]),
        helper.make_node("Gather", ["last_hidden_state", "rows"], ["logits"]),
    ]
    tokens = dict.fromkeys(("input_ids", "positions", "type_ids", "segments"), ("t",))
    return write_graph(
        folder / "model.onnx",
        nodes,
        {**tokens, "starts": ("n",), "rows": ("r",)},
        {"embedding": ("n", HIDDEN), "last_hidden_state": ("t", HIDDEN), "logits": ("r", HIDDEN)},
        table=TABLE,
        axis=np.array([1]),
    )


def packed_spec(**changes: Any) -> EncoderSpec:
    """What that graph says of itself."""
    values = {"max_tokens": 150, "uses_type_ids": True, "vocabulary": VOCABULARY, "type_vocabulary": TYPES, **changes}
    outputs = (
        EncoderOutput("embedding", "item", HIDDEN),
        EncoderOutput("last_hidden_state", "token", HIDDEN),
        EncoderOutput("logits", "row", HIDDEN),
    )
    return EncoderSpec("bert", "embedding", outputs, **values)
