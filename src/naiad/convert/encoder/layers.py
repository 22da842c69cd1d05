"""The body of an encoder as a packed graph: embeddings, attention, feed-forward.

Packed: all sequences of a batch stand one after the other in one row of T tokens, without padding. Everything but
attention treats tokens one by one and never notices; attention is kept inside a sequence by a block-diagonal mask made
from segment ids. With packs of about 128 tokens the mask costs a few per cent and saves all the padding.

Plain operators on (T, width) matrices: on CPU the matrix products take 85 % of the time, ONNX Runtime fuses their bias
and scale, and its SkipLayerNormalization and MultiHeadAttention measured slower than what stands here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from naiad.convert.encoder.architectures import Architecture
from naiad.convert.encoder.dimensions import Dimensions
from naiad.convert.encoder.graph import GraphBuilder
from naiad.convert.encoder.weights import Weights
from naiad.core.tensor import Array

WORDS = "embeddings.word_embeddings.weight"
"""The one table that every family has under one name."""

MAX_RELATIVE_DISTANCE = 128
"""MPNet: farther tokens share the last bucket of relative positions."""


@dataclass(frozen=True, slots=True)
class Product:
    """One matrix product of the body."""

    module: str
    """Its name below the body's prefix."""
    weight: Array
    """(out, in) float32, as checkpoints store it."""
    bias: Array
    """(out,) float32."""


class Dense(Protocol):
    """How matrix products of the body are computed: `Float32Dense` here, `Int8Dense` in `quantize.py`."""

    @property
    def rounds(self) -> bool:
        """Whether inputs are rounded coarsely, so that a last-bit difference in them can become a visible one."""
        ...

    def __call__(self, graph: GraphBuilder, x: str, products: Sequence[Product], source: str) -> list[str]:
        """Multiply x (T, in) by every weight transposed and add its bias; one (T, out) for each product.

        source: what made x: "norm", "attention", or the activation's name. It tells what range to expect.
        """
        ...


class Float32Dense:
    """The plain one: a Gemm for each product, the weight as the checkpoint stores it."""

    rounds = False

    def __call__(self, graph: GraphBuilder, x: str, products: Sequence[Product], source: str) -> list[str]:  # noqa: ARG002
        """See Dense."""
        return [gemm(graph, x, product.module, product.weight, product.bias) for product in products]


def gemm(graph: GraphBuilder, x: str, module: str, weight: Array, bias: Array) -> str:
    """X (T, in) times weight (out, in) transposed, plus bias (out,), in float32."""
    w = graph.weight(f"{module}.weight", lambda: weight)
    return graph.op("Gemm", x, w, graph.weight(f"{module}.bias", lambda: bias), transB=1)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Names of a packed graph's inputs; all int64."""

    ids: str
    """(T,) token ids."""
    positions: str
    """(T,) rows of the position table, restarting with every sequence."""
    segments: str
    """(T,) which sequence a token belongs to: 0 … n-1, ascending."""
    starts: str
    """(n,) where each sequence begins."""
    type_ids: str
    """(T,); empty if the model has none."""
    rows: str
    """(r,) tokens at which "row" outputs are computed; empty for heads without such."""


class BodyBuilder:
    """Adds the parts of one encoder to a graph."""

    def __init__(
        self, graph: GraphBuilder, weights: Weights, family: Architecture, sizes: Dimensions, dense: Dense
    ) -> None:
        self.graph = graph
        self.weights = weights
        self.family = family
        self.sizes = sizes
        self._dense = dense

    def declare_inputs(self, *, rows: bool) -> Inputs:
        """Declare the graph's inputs."""
        graph = self.graph
        return Inputs(
            ids=graph.input("input_ids", ("tokens",)),
            positions=graph.input("positions", ("tokens",)),
            segments=graph.input("segments", ("tokens",)),
            starts=graph.input("starts", ("sequences",)),
            type_ids=graph.input("type_ids", ("tokens",)) if self.sizes.type_ids else "",
            rows=graph.input("rows", ("rows",)) if rows else "",
        )

    def body(self, inputs: Inputs) -> str:
        """The last hidden state, (T, hidden)."""
        x = self._embeddings(inputs)
        bias = self._attention_bias(inputs)
        for layer in self._layer_prefixes():
            x = self._layer(x, layer, bias)
        return x

    def dense(self, x: str, modules: Sequence[str], outputs: int, inputs: int, *, source: str) -> list[str]:
        """Products of x by modules of the body, in the precision that the conversion chose."""
        return self._dense(self.graph, x, self._products(modules, outputs, inputs), source)

    def exact_dense(self, x: str, module: str, outputs: int, inputs: int) -> str:
        """A product by a module named in full (heads), always in float32."""
        weight = self.weights.get(f"{module}.weight", outputs, inputs)
        return gemm(self.graph, x, module, weight, self.weights.get(f"{module}.bias", outputs))

    def norm(self, x: str, module: str, width: int) -> str:
        """LayerNorm by a module named in full."""
        scale = self.graph.weight(f"{module}.weight", lambda: self.weights.get(f"{module}.weight", width))
        shift = self.graph.weight(f"{module}.bias", lambda: self.weights.get(f"{module}.bias", width))
        return self.graph.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=self.sizes.norm_epsilon)

    def activation(self, x: str, kind: str) -> str:
        """One of the values of ACTIVATIONS."""
        match kind:
            case "gelu":
                return self.graph.op("Gelu", x)
            case "gelu_tanh":
                return self.graph.op("Gelu", x, approximate="tanh")
            case "relu":
                return self.graph.op("Relu", x)
            case "tanh":
                return self.graph.op("Tanh", x)
            case _:
                return self.graph.op("Mul", x, self.graph.op("Sigmoid", x))

    def table(self, name: str, rows: int) -> str:
        """An embedding table of the body, (rows, embedding size)."""
        width = self.sizes.embedding
        return self.graph.weight(name, lambda: self.weights.body(name, rows, width))

    def _products(self, modules: Sequence[str], outputs: int, inputs: int) -> list[Product]:
        body = self.weights.body
        return [
            Product(module, body(f"{module}.weight", outputs, inputs), body(f"{module}.bias", outputs))
            for module in modules
        ]

    def _embeddings(self, inputs: Inputs) -> str:
        graph, sizes = self.graph, self.sizes
        x = graph.op("Gather", self.table(WORDS, sizes.vocabulary), inputs.ids)
        if sizes.type_ids:
            types = self.table("embeddings.token_type_embeddings.weight", sizes.type_ids)
            x = graph.op("Add", x, graph.op("Gather", types, inputs.type_ids))
        positions = self.table("embeddings.position_embeddings.weight", sizes.positions)
        x = graph.op("Add", x, graph.op("Gather", positions, inputs.positions))
        x = self.norm(x, self.weights.prefix + self.family.embedding_norm, sizes.embedding)
        projection = self.family.embedding_projection
        if projection and (sizes.embedding != sizes.hidden or self._has(projection)):
            (x,) = self.dense(x, [projection], sizes.hidden, sizes.embedding, source="norm")
        return x

    def _has(self, module: str) -> bool:
        return self.weights.find(f"{self.weights.prefix}{module}.weight") is not None

    def _layer_prefixes(self) -> list[str]:
        sizes = self.sizes
        return [
            self.family.layer.format(layer=layer, group=layer * sizes.groups // sizes.layers, inner=inner) + "."
            for layer in range(sizes.layers)
            for inner in range(sizes.inner)
        ]

    def _attention_bias(self, inputs: Inputs) -> str:
        """0 where two tokens belong to one sequence, minus infinity elsewhere; (T, T), or (heads, T, T)."""
        graph = self.graph
        across = graph.op("Unsqueeze", inputs.segments, graph.ints(0))
        down = graph.op("Unsqueeze", inputs.segments, graph.ints(1))
        same = graph.op("Equal", down, across)
        inside = self._relative_positions(inputs) if self.family.relative_positions else graph.number(0.0)
        return graph.op("Where", same, inside, graph.number(-math.inf))

    def _relative_positions(self, inputs: Inputs) -> str:
        """MPNet's bias by distance, (heads, T, T). Distances are looked up in a table of 2 * positions - 1 rows."""
        graph, sizes, name = self.graph, self.sizes, self.family.relative_positions
        span = sizes.positions - 1
        bias = self.weights.body(name, sizes.relative_buckets, sizes.heads)
        buckets = relative_buckets(np.arange(-span, span + 1), sizes.relative_buckets)
        table = graph.weight(name, lambda: bias[buckets].T)
        across = graph.op("Unsqueeze", inputs.positions, graph.ints(0))
        down = graph.op("Unsqueeze", inputs.positions, graph.ints(1))
        distance = graph.op("Add", graph.op("Sub", across, down), graph.ints(span))
        return graph.op("Gather", table, distance, axis=1)

    def _layer(self, x: str, prefix: str, bias: str) -> str:
        sizes, names = self.sizes, self.family.names
        attended = self._attention(x, prefix, bias)
        out = prefix + names.attention_out
        (attended,) = self.dense(attended, [out], sizes.hidden, sizes.hidden, source="attention")
        x = self._add_norm(attended, x, prefix + names.attention_norm)
        (inner,) = self.dense(x, [prefix + names.ffn_in], sizes.intermediate, sizes.hidden, source="norm")
        inner = self.activation(inner, sizes.activation)
        out = prefix + names.ffn_out
        (inner,) = self.dense(inner, [out], sizes.hidden, sizes.intermediate, source=sizes.activation)
        return self._add_norm(inner, x, prefix + names.ffn_norm)

    def _add_norm(self, x: str, residual: str, module: str) -> str:
        return self.norm(self.graph.op("Add", x, residual), self.weights.prefix + module, self.sizes.hidden)

    def _attention(self, x: str, prefix: str, bias: str) -> str:
        """Scaled dot-product attention of all heads, (T, hidden)."""
        graph, sizes, names = self.graph, self.sizes, self.family.names
        modules = [prefix + name for name in (names.query, names.key, names.value)]
        products = self._products(modules, sizes.hidden, sizes.hidden)
        if self._dense.rounds:
            products[2] = self._with_ones(products[2])
        projected = self._dense(graph, x, products, "norm")
        query, value = (self._split_heads(projected[i], (1, 0, 2)) for i in (0, 2))
        key = self._split_heads(projected[1], (1, 2, 0))
        scores = graph.op("Mul", graph.op("MatMul", query, key), graph.number(sizes.head_size**-0.5))
        scores = graph.op("Add", scores, bias)
        mixed = self._mix_invariant(scores, value) if self._dense.rounds else self._mix(scores, value)
        joined = graph.op("Transpose", mixed, perm=[1, 0, 2])
        return graph.op("Reshape", joined, graph.ints(-1, sizes.hidden))

    def _split_heads(self, x: str, permutation: tuple[int, int, int]) -> str:
        split = self.graph.op("Reshape", x, self.graph.ints(0, self.sizes.heads, -1))
        return self.graph.op("Transpose", split, perm=permutation)

    def _mix(self, scores: str, value: str) -> str:
        """Values weighted by the softmax of scores, (heads, T, head size)."""
        return self.graph.op("MatMul", self.graph.op("Softmax", scores, axis=-1), value)

    def _mix_invariant(self, scores: str, value: str) -> str:
        """The same to the last bit wherever a sequence stands in the pack; `value` has a column of ones (heads, T, +1).

        A vectorised sum adds in an order that depends on the place. A matrix product adds one term after the other, and
        the zeros of other sequences change nothing; so it sums the weights as well, in the column of ones.
        """
        graph = self.graph
        above = graph.op("Sub", scores, graph.op("ReduceMax", scores, graph.ints(-1), keepdims=1))
        mixed = graph.op("MatMul", graph.op("Exp", above), value)
        last, end, axis = graph.ints(self.sizes.head_size), graph.ints(self.sizes.head_size + 1), graph.ints(2)
        values = graph.op("Slice", mixed, graph.ints(0), last, axis)
        return graph.op("Div", values, graph.op("Slice", mixed, last, end, axis))

    def _with_ones(self, product: Product) -> Product:
        """One more output for every head, which is always 1."""
        heads = self.sizes.heads
        weight = product.weight.reshape(heads, self.sizes.head_size, -1)
        bias = product.bias.reshape(heads, self.sizes.head_size)
        return Product(
            product.module,
            np.pad(weight, ((0, 0), (0, 1), (0, 0))).reshape(-1, weight.shape[2]),
            np.pad(bias, ((0, 0), (0, 1)), constant_values=1).reshape(-1),
        )


def relative_buckets(distance: Array, buckets: int) -> Array:
    """MPNet's bucket for each distance (key position minus query position), int64; same shape.

    Half of the buckets for either direction; in each half, small distances have their own bucket, larger ones share
    logarithmically growing buckets up to MAX_RELATIVE_DISTANCE.
    """
    half = buckets // 2
    exact = half // 2
    size = np.abs(distance)
    ratio = np.maximum(size, 1).astype(np.float32) / np.float32(exact)
    steps = np.log(ratio) / np.float32(math.log(MAX_RELATIVE_DISTANCE / exact)) * np.float32(half - exact)
    large = np.minimum(exact + steps.astype(np.int64), half - 1)
    return np.where(size < exact, size, large) + np.where(distance > 0, half, 0)
