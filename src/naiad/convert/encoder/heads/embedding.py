"""The embedding head: pooling, dense layers and normalisation, as `sentence.py` reads them.

Not here: how each pooling is computed (`pooling.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from naiad.convert.encoder.bodies.body import Body, Inputs
from naiad.convert.encoder.heads.pooling import POOLINGS
from naiad.convert.encoder.sentence import DenseModule, SentenceModules, read_sentence_modules
from naiad.convert.encoder.weights import Weights, weight_files
from naiad.core.encoder import EncoderOutput
from naiad.core.errors import LoadFailed

EPSILON = 1e-12
"""Smallest norm an embedding is divided by; torch.nn.functional.normalize has the same."""


def embedding(body: Body, inputs: Inputs, folder: Path, _config: Mapping[str, Any]) -> tuple[EncoderOutput, ...]:
    """`embedding` for each sequence and `last_hidden_state` for each token."""
    graph, hidden = body.graph, body.sizes.hidden
    modules = read_sentence_modules(folder)
    x = body.hidden_states(inputs)
    graph.output("last_hidden_state", x, ("tokens", hidden))
    pooled, width = _pool(body, inputs, x, modules)
    for number, module in enumerate(modules.dense):
        pooled, width = _dense_module(body, pooled, width, module, f"sentence.{number}")
    if modules.normalize:
        norm = graph.op("ReduceL2", pooled, graph.ints(1), keepdims=1)
        pooled = graph.op("Div", pooled, graph.op("Max", norm, graph.number(EPSILON)))
    graph.output("embedding", pooled, ("sequences", width))
    return EncoderOutput("embedding", "sequence", width), EncoderOutput("last_hidden_state", "token", hidden)


def _pool(body: Body, inputs: Inputs, x: str, modules: SentenceModules) -> tuple[str, int]:
    parts = [POOLINGS[pooling](body, inputs, x) for pooling in modules.poolings]
    width = body.sizes.hidden * len(parts)
    return (parts[0] if len(parts) == 1 else body.graph.op("Concat", *parts, axis=1)), width


def _dense_module(body: Body, x: str, width: int, module: DenseModule, name: str) -> tuple[str, int]:
    graph = body.graph
    if module.inputs != width:
        raise LoadFailed(f"{module.folder}: in_features is {module.inputs}, but the pooling before it gives {width}")
    with Weights(weight_files(module.folder)) as weights:
        matrix = weights.get("linear.weight", module.outputs, module.inputs)
        terms = [x, graph.weight(f"{name}.weight", lambda: matrix)]
        if module.has_bias:
            bias = weights.get("linear.bias", module.outputs)
            terms.append(graph.weight(f"{name}.bias", lambda: bias))
    y = graph.op("Gemm", *terms, transB=1)
    return (body.activation(y, module.activation) if module.activation else y), module.outputs
