"""Matrix products of an exported graph that have constant weights, and putting others in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from naiad.core.tensor import Array
from naiad.proto.onnx_messages import FLOAT, graphs_in, make_node, make_tensor, read_tensor

SMALLEST = 32
"""Rows and columns that a matrix has at least to be worth it; classifiers' are smaller."""


@dataclass(slots=True)
class Rewriting:
    """New nodes in order, and the weights they name."""

    opset: int
    nodes: list[Any] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)
    _names: int = 0

    def op(self, kind: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        """Add a node with one output; gives the output's name."""
        output = output or self._name(kind)
        self.nodes.append(make_node(kind, inputs, [output], domain=domain, **attributes))
        return output

    def weight(self, array: Array) -> str:
        """Add a constant."""
        name = self._name("weight")
        self.weights.append(make_tensor(name, array))
        return name

    def reduce_max(self, x: str, axis: int) -> str:
        """The largest along an axis, which goes; where the axes stand changed in opset 18."""
        if self.opset < 18:
            return self.op("ReduceMax", x, axes=[axis], keepdims=0)
        return self.op("ReduceMax", x, self.weight(np.array([axis], np.int64)), keepdims=0)

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"naiad_{kind}_{self._names}"


Product = Callable[[Rewriting, str, Array, str], None]
"""Writes x (…, in) times the matrix (in, out) float32 to the output of that name."""


def rewrite_products(model: Any, product: Product, opset: int) -> int:
    """Replace every product with a constant matrix, but for the last ones before an output; gives how many."""
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    last = _before_outputs(graph)
    made = Rewriting(opset)
    replaced = 0
    for node in graph.node:
        matrix = _matrix(node, weights)
        if matrix is None or node.output[0] in last or min(matrix.shape) < SMALLEST:
            made.nodes.append(node)
            continue
        replaced += 1
        bias = node.input[2] if node.op_type == "Gemm" and len(node.input) > 2 else ""
        if bias:
            between = f"{node.output[0]}_product"
            product(made, node.input[0], matrix, between)
            made.op("Add", between, bias, output=node.output[0])
        else:
            product(made, node.input[0], matrix, node.output[0])
    nodes = list(made.nodes)
    del graph.node[:]
    graph.node.extend(nodes)
    drop_unused(graph)
    graph.initializer.extend(made.weights)
    return replaced


def drop_unused(graph: Any) -> None:
    """Forget initializers that no node names any more."""
    used = {name for node in graph.node for name in _names_of(node)}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    if len(kept) < len(graph.initializer):
        del graph.initializer[:]
        graph.initializer.extend(kept)


def _names_of(node: Any) -> Iterable[str]:
    yield from node.input
    for inner in graphs_in(node):
        for child in inner.node:
            yield from _names_of(child)
        yield from (output.name for output in inner.output)


def _matrix(node: Any, weights: dict[str, Any]) -> Array | None:
    """The constant right-hand side of a product as (in, out), or None."""
    if node.op_type not in ("MatMul", "Gemm") or len(node.input) < 2 or node.input[1] not in weights:
        return None
    tensor = weights[node.input[1]]
    if tensor.data_type != FLOAT or len(tensor.dims) != 2:
        return None
    attributes = {attribute.name: attribute for attribute in node.attribute}
    if node.op_type == "Gemm":
        scaled = any(name in attributes and attributes[name].f != 1.0 for name in ("alpha", "beta"))
        if scaled or ("transA" in attributes and attributes["transA"].i):
            return None
    array: Array = read_tensor(tensor)
    return array.T if "transB" in attributes and attributes["transB"].i else array


def _before_outputs(graph: Any) -> set[str]:
    """Outputs of the graph, and what is only added to before it becomes one."""
    last = {output.name for output in graph.output}
    for node in reversed(graph.node):
        if node.op_type in ("Add", "Squeeze", "Split", "Identity") and any(name in last for name in node.output):
            last.update(node.input)
    return last
