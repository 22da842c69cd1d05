"""The activation functions of checkpoints, as nodes of a graph."""

from __future__ import annotations

from naiad.convert.encoder.graph import GraphBuilder


def activate(graph: GraphBuilder, x: str, kind: str) -> str:
    """Apply one of the values of ACTIVATIONS to every number of x."""
    match kind:
        case "gelu":
            return graph.op("Gelu", x)
        case "gelu_tanh":
            return graph.op("Gelu", x, approximate="tanh")
        case "quick_gelu":
            return graph.op("Mul", x, graph.op("Sigmoid", graph.op("Mul", x, graph.number(1.702))))
        case "relu":
            return graph.op("Relu", x)
        case "tanh":
            return graph.op("Tanh", x)
        case _:
            return graph.op("Mul", x, graph.op("Sigmoid", x))
