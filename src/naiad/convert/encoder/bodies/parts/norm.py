"""Norms other than LayerNorm."""

from __future__ import annotations

from naiad.convert.encoder.bodies.body import Body


def root_mean_square_norm(body: Body, x: str, module: str, width: int) -> str:
    """Divide by the root of the mean square; the order of these nodes is what ONNX Runtime fuses into one."""
    graph = body.graph
    weight = graph.weight(f"{module}.weight", lambda: body.weights.get(f"{module}.weight", width))
    mean = graph.op("ReduceMean", graph.op("Pow", x, graph.number(2.0)), graph.ints(-1), keepdims=1)
    root = graph.op("Sqrt", graph.op("Add", mean, graph.number(body.sizes.norm_epsilon)))
    return graph.op("Mul", graph.op("Div", x, root), weight)
