"""The activations of dense modules: classes of torch.nn, with the arguments that they have when none are given."""

from __future__ import annotations

from typing import Any

from naiad.convert.encoder.graph import GraphBuilder

_OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "Tanh": ("Tanh", {}),
    "ReLU": ("Relu", {}),
    "GELU": ("Gelu", {}),
    "Sigmoid": ("Sigmoid", {}),
    "LeakyReLU": ("LeakyRelu", {"alpha": 0.01}),
    "ELU": ("Elu", {"alpha": 1.0}),
    "SELU": ("Selu", {}),
    "CELU": ("Celu", {"alpha": 1.0}),
    "Softplus": ("Softplus", {}),
    "Softsign": ("Softsign", {}),
    "Mish": ("Mish", {}),
    "Hardswish": ("HardSwish", {}),
    "Hardsigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
}
"""Class of torch.nn → operator of ONNX and its attributes."""


def activate(graph: GraphBuilder, x: str, kind: str) -> str:
    """Apply one of `sentence.ACTIVATIONS` to every number of x."""
    if kind in _OPERATORS:
        operator, attributes = _OPERATORS[kind]
        return graph.op(operator, x, **attributes)
    match kind:
        case "SiLU":
            return graph.op("Mul", x, graph.op("Sigmoid", x))
        case "ReLU6":
            return graph.op("Clip", x, graph.number(0.0), graph.number(6.0))
        case "Hardtanh":
            return graph.op("Clip", x, graph.number(-1.0), graph.number(1.0))
        case "LogSigmoid":
            return graph.op("Neg", graph.op("Softplus", graph.op("Neg", x)))
        case "Tanhshrink":
            return graph.op("Sub", x, graph.op("Tanh", x))
        case _:
            return x
