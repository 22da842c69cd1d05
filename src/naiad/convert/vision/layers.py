"""Pre-norm transformer layers on (tokens, hidden) matrices, for images and for texts.

A layer leaves attention to whoever builds the graph: images of one size attend in a batch, texts inside their part of a
pack. Plain operators, as in `convert/encoder`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from naiad.convert.encoder.bodies.parts.activation import activate
from naiad.convert.encoder.bodies.parts.dense import Dense, Float32Dense, Product, gemm
from naiad.convert.encoder.bodies.parts.reading import read_of_layers, rows
from naiad.convert.encoder.graph import GraphBuilder
from naiad.convert.encoder.weights import Weights
from naiad.convert.vision.families import LayerNames
from naiad.convert.vision.sizes import LayerSizes
from naiad.core.tensor import Array

Attention = Callable[[str, str, str, str], str]
"""Query, key, value, each (tokens, hidden), and the layer's prefix → what each token takes from the others."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What everything that adds to a graph needs."""

    graph: GraphBuilder
    weights: Weights
    sizes: LayerSizes
    multiply: Dense = field(default_factory=Float32Dense)
    """How the layers' products are computed; heads are always in float32."""

    def dense(self, x: str, module: str, outputs: int, inputs: int) -> str:
        """X (tokens, in) times a module's weight transposed, plus its bias if it has one; the module named in full."""
        return gemm(self.graph, x, self._product(module, outputs, inputs))

    def products(
        self, x: str, modules: Sequence[str], outputs: int, inputs: int, source: str, at: str = ""
    ) -> list[str]:
        """The same for modules of the layers, in the precision that the conversion chose; source, at: see Dense."""
        return self.multiply(self.graph, x, [self._product(module, outputs, inputs) for module in modules], source, at)

    def _product(self, module: str, outputs: int, inputs: int) -> Product:
        has_bias = self.weights.find(f"{module}.bias") is not None
        bias = self.weights.get(f"{module}.bias", outputs) if has_bias else None
        return Product(module, self.weights.get(f"{module}.weight", outputs, inputs), bias)

    def norm(self, x: str, module: str) -> str:
        """LayerNorm over the hidden size, by a module named in full."""
        scale = self.vector(f"{module}.weight")
        shift = self.vector(f"{module}.bias")
        return self.graph.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=self.sizes.norm_epsilon)

    def vector(self, name: str) -> str:
        """A weight of one value for each channel, named in full."""
        return self.graph.weight(name, lambda: self.weights.get(name, self.sizes.hidden))

    def constant(self, name: str, value: Array) -> str:
        """A value worked out of weights, stored under a name of its own."""
        return self.graph.weight(name, lambda: np.ascontiguousarray(value, np.float32))

    def activation(self, x: str, kind: str) -> str:
        """One of the values of ACTIVATIONS."""
        return activate(self.graph, x, kind)


class Layers:
    """The stack of layers of one encoder."""

    def __init__(
        self, parts: Parts, names: LayerNames, layer: str, attention: Attention, *, is_gated: bool = False
    ) -> None:
        """layer: prefix of one layer below the body's. is_gated: feed-forward by SwiGLU (large DINOv2)."""
        self._parts = parts
        self._names = names
        self._layer = layer
        self._attention = attention
        self._is_gated = is_gated

    def __call__(self, x: str, at: str = "") -> str:
        """Run x (tokens, hidden) through all layers; at: the tokens whose states are read, as in Body.hidden_states."""
        before = self._parts.weights.prefix
        prefixes = [f"{before}{self._layer.format(layer=number)}." for number in range(self._parts.sizes.layers)]
        for prefix, read in read_of_layers(prefixes, at):
            x = self._run(x, prefix, read)
        return x

    def _run(self, x: str, prefix: str, at: str) -> str:
        parts, names, hidden = self._parts, self._names, self._parts.sizes.hidden
        normed = parts.norm(x, prefix + names.attention_norm)
        modules = [prefix + name for name in (names.query, names.key, names.value)]
        query, key, value = parts.products(normed, modules, hidden, hidden, "norm")
        attended = rows(parts.graph, self._attention(query, key, value, prefix), at)
        x = rows(parts.graph, x, at)
        (attended,) = parts.products(attended, [prefix + names.attention_out], hidden, hidden, "attention", at)
        x = parts.graph.op("Add", self._scaled(attended, prefix, names.attention_scale), x)
        inner = self._feed_forward(parts.norm(x, prefix + names.ffn_norm), prefix, at)
        return parts.graph.op("Add", self._scaled(inner, prefix, names.ffn_scale), x)

    def _feed_forward(self, x: str, prefix: str, at: str) -> str:
        parts, names, sizes = self._parts, self._names, self._parts.sizes
        if self._is_gated:
            (both,) = parts.products(x, [f"{prefix}mlp.weights_in"], 2 * sizes.intermediate, sizes.hidden, "norm", at)
            gate, up = parts.graph.split(both, [sizes.intermediate, sizes.intermediate], axis=1)
            inner = parts.graph.op("Mul", parts.activation(gate, "silu"), up)
            out, source = f"{prefix}mlp.weights_out", "product"
        else:
            (inner,) = parts.products(x, [prefix + names.ffn_in], sizes.intermediate, sizes.hidden, "norm", at)
            inner = parts.activation(inner, sizes.activation)
            out, source = prefix + names.ffn_out, sizes.activation
        return parts.products(inner, [out], sizes.hidden, sizes.intermediate, source, at)[0]

    def _scaled(self, x: str, prefix: str, name: str) -> str:
        """Layer scale, where the family has one and the checkpoint holds it."""
        if not name or self._parts.weights.find(prefix + name) is None:
            return x
        return self._parts.graph.op("Mul", x, self._parts.vector(prefix + name))


def attend_in_batch(parts: Parts, query: str, key: str, value: str, length: int, bias: str = "") -> str:
    """Attention among the `length` tokens of each image, (images * length, hidden); bias: (heads, length, length)."""
    graph, sizes = parts.graph, parts.sizes
    shape = graph.ints(-1, length, sizes.heads, sizes.head_size)

    def heads(x: str, permutation: tuple[int, int, int, int]) -> str:
        return graph.op("Transpose", graph.op("Reshape", x, shape), perm=permutation)

    scores = graph.op("MatMul", heads(query, (0, 2, 1, 3)), heads(key, (0, 2, 3, 1)))
    scores = graph.op("Mul", scores, graph.number(sizes.head_size**-0.5))
    if bias:
        scores = graph.op("Add", scores, bias)
    mixed = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), heads(value, (0, 2, 1, 3)))
    return graph.op("Reshape", graph.op("Transpose", mixed, perm=(0, 2, 1, 3)), graph.ints(-1, sizes.hidden))


def attend_in_pack(parts: Parts, query: str, key: str, value: str, bias: str) -> str:
    """Attention inside a pack of texts, (tokens, hidden); bias: (tokens, tokens), minus infinity where none may be."""
    graph, sizes = parts.graph, parts.sizes
    shape = graph.ints(0, sizes.heads, sizes.head_size)

    def heads(x: str, permutation: tuple[int, int, int]) -> str:
        return graph.op("Transpose", graph.op("Reshape", x, shape), perm=permutation)

    scores = graph.op("MatMul", heads(query, (1, 0, 2)), heads(key, (1, 2, 0)))
    scores = graph.op("Mul", scores, graph.number(sizes.head_size**-0.5))
    weights = graph.op("Softmax", graph.op("Add", scores, bias), axis=-1)
    mixed = graph.op("MatMul", weights, heads(value, (1, 0, 2)))
    return graph.op("Reshape", graph.op("Transpose", mixed, perm=(1, 0, 2)), graph.ints(-1, sizes.hidden))


def pack_bias(graph: GraphBuilder, segments: str, positions: str, *, is_causal: bool) -> str:
    """0 where a token may look at another of its own text, minus infinity elsewhere; (tokens, tokens)."""

    def compare(kind: str, values: str) -> str:
        across = graph.op("Unsqueeze", values, graph.ints(0))
        return graph.op(kind, graph.op("Unsqueeze", values, graph.ints(1)), across)

    allowed = compare("Equal", segments)
    if is_causal:
        allowed = graph.op("And", allowed, compare("GreaterOrEqual", positions))
    return graph.op("Where", allowed, graph.number(0.0), graph.number(-math.inf))
