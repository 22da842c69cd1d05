"""The post-norm transformer of BERT, RoBERTa, DistilBERT, MPNet, ELECTRA and ALBERT.

What a family has besides (type ids, embedding projection, relative positions, shared layers) its row says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from naiad.convert.encoder.bodies.body import Body, Inputs
from naiad.core.tensor import Array

MAX_RELATIVE_DISTANCE = 128
"""MPNet: farther tokens share the last bucket of relative positions."""


class PostNormBody(Body):
    """Embeddings, then layers whose norms stand behind the residual sum."""

    harmless: ClassVar[Mapping[str, tuple[object, ...]]] = {"position_embedding_type": (None, "absolute")}

    def hidden_states(self, inputs: Inputs) -> str:
        """See Body."""
        x = self._embeddings(inputs)
        relative = self.family.relative_positions
        bias = self.attention_bias(inputs, self._relative_positions(relative, inputs) if relative else "")
        for layer in self._layer_prefixes():
            x = self._layer(x, layer, bias)
        return x

    def _embeddings(self, inputs: Inputs) -> str:
        graph, sizes = self.graph, self.sizes
        x = self.look_up(self.family.words, sizes.vocabulary, inputs.ids)
        if sizes.type_ids:
            types = self.look_up("embeddings.token_type_embeddings.weight", sizes.type_ids, inputs.type_ids)
            x = graph.op("Add", x, types)
        positions = self.look_up("embeddings.position_embeddings.weight", sizes.positions, inputs.positions)
        x = graph.op("Add", x, positions)
        x = self.norm(x, self.weights.prefix + self.family.embedding_norm, sizes.embedding)
        projection = self.family.embedding_projection
        if projection and (sizes.embedding != sizes.hidden or self.has(projection)):
            (x,) = self.dense(x, [projection], sizes.hidden, sizes.embedding, source="norm")
        return x

    def _layer_prefixes(self) -> list[str]:
        layers = self.sizes.layers
        groups, inners = self.config.integer("num_hidden_groups"), self.config.integer("inner_group_num")
        return [
            self.family.layer.format(layer=layer, group=layer * groups // layers, inner=inner) + "."
            for layer in range(layers)
            for inner in range(inners)
        ]

    def _relative_positions(self, name: str, inputs: Inputs) -> str:
        """MPNet's bias by distance, (heads, T, T). Distances are looked up in a table of 2 * positions - 1 rows."""
        graph, sizes = self.graph, self.sizes
        span, count = sizes.positions - 1, self.config.integer("relative_attention_num_buckets")
        bias = self.weights.body(name, count, sizes.heads)
        buckets = relative_buckets(np.arange(-span, span + 1), count)
        table = graph.weight(name, lambda: bias[buckets].T)
        distance = graph.op("Add", self.distances(inputs), graph.ints(span))
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

    def _attention(self, x: str, prefix: str, bias: str) -> str:
        hidden, names = self.sizes.hidden, self.family.names
        modules = (names.query, names.key, names.value)
        products = [self.product(prefix + module, hidden, hidden) for module in modules]
        return self.attend(*self.project(x, products), bias)

    def _add_norm(self, x: str, residual: str, module: str) -> str:
        return self.norm(self.graph.op("Add", x, residual), self.weights.prefix + module, self.sizes.hidden)


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
