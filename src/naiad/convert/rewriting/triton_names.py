"""The graph as transformer-deploy's clients know it: int32 inputs, one output called `output`.

Embeddings are pooled in the graph, as there. Answers of two outputs (question answering) keep their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from naiad.convert.rewriting.graph_file import opset_of
from naiad.convert.rewriting.products import Rewriting
from naiad.core.errors import Unsupported
from naiad.proto.onnx_messages import FLOAT, INT32, INT64, make_value

OUTPUT = "output"
SMALLEST = 1e-9

POOLED = ("mean", "cls")


@dataclass(frozen=True, slots=True)
class Pooling:
    """What makes one vector of token states."""

    mode: str
    normalize: bool

    def __post_init__(self) -> None:
        if self.mode not in POOLED:
            raise Unsupported(
                f"a Triton repository pools by {' or '.join(POOLED)}, this model by {self.mode}; leave --format out, "
                "or take the token states (--task feature-extraction of a folder without modules.json)"
            )


def finish_graph(model: Any, pooling: Pooling | None) -> None:
    """Change an exported model, weights in memory: pool, name the output, take int32."""
    made = Rewriting(opset_of(model))
    graph = model.graph
    if pooling is not None:
        _pool(made, graph, pooling)
    elif len(graph.output) == 1:
        _rename_output(graph)
    casts = Rewriting(opset_of(model))
    for given in graph.input:
        _take_int32(casts, given)
    nodes = [*casts.nodes, *graph.node, *made.nodes]
    for node in graph.node:
        for at, name in enumerate(node.input):
            if name in {one.name for one in graph.input if one.type.tensor_type.elem_type == INT32}:
                node.input[at] = f"{name}_int64"
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(made.weights)


def _take_int32(casts: Rewriting, given: Any) -> None:
    kind = given.type.tensor_type
    if kind.elem_type == INT64:
        kind.elem_type = INT32
        casts.op("Cast", given.name, output=f"{given.name}_int64", to=INT64)


def _rename_output(graph: Any) -> None:
    old = graph.output[0].name
    for node in graph.node:
        for names in (node.input, node.output):
            for at, name in enumerate(names):
                if name == old:
                    names[at] = OUTPUT
    graph.output[0].name = OUTPUT


def _pool(made: Rewriting, graph: Any, pooling: Pooling) -> None:
    """From the first output, (batch, tokens, hidden), to `output`, (batch, hidden)."""
    states = graph.output[0].name
    width = graph.output[0].type.tensor_type.shape.dim[2].dim_value
    vector = made.op("Gather", states, made.weight(np.array(0, np.int64)), axis=1)
    if pooling.mode == "mean":
        mask = made.op("Cast", "attention_mask", to=FLOAT)
        mask = made.op("Unsqueeze", mask, made.weight(np.array([2], np.int64)))
        axis = made.weight(np.array([1], np.int64))
        total = made.op("ReduceSum", made.op("Mul", states, mask), axis, keepdims=0)
        count = made.op("ReduceSum", mask, axis, keepdims=0)
        vector = made.op("Div", total, made.op("Max", count, made.weight(np.array(SMALLEST, np.float32))))
    if pooling.normalize:
        square = made.op("ReduceSum", made.op("Mul", vector, vector), made.weight(np.array([1], np.int64)), keepdims=1)
        length = made.op("Max", made.op("Sqrt", square), made.weight(np.array(1e-12, np.float32)))
        vector = made.op("Div", vector, length)
    made.op("Identity", vector, output=OUTPUT)
    del graph.output[:]
    graph.output.append(make_value(OUTPUT, FLOAT, ["batch", width]))
