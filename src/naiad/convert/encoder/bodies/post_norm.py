"""The post-norm transformer of BERT, RoBERTa, DistilBERT, MPNet, ELECTRA and ALBERT.

What a family has besides (type ids, embedding projection, relative positions, shared layers) its row says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from naiad.convert.encoder.bodies.body import Attention, Body, Inputs
from naiad.convert.encoder.bodies.parts.embeddings import embed
from naiad.convert.encoder.bodies.parts.reading import read_of_layers
from naiad.convert.encoder.bodies.parts.relative import bias_by_distance
from naiad.convert.encoder.dimensions import MOST_LAYERS

MAX_RELATIVE_DISTANCE = 128
"""MPNet: farther tokens share the last bucket of relative positions."""


class PostNormBody(Body):
    """Embeddings, then layers whose norms stand behind the residual sum."""

    harmless: ClassVar[Mapping[str, tuple[object, ...]]] = {"position_embedding_type": (None, "absolute")}

    position_table = True
    """Whether positions are embedded; else attention knows of them."""

    def last_states(self, inputs: Inputs, at: str) -> str:
        """See Body."""
        x = self.embeddings(inputs)
        attention = self.attention(inputs)
        for layer, read in read_of_layers(self.layer_prefixes(), at):
            x = self.layer(x, layer, attention, read)
        return x

    def embeddings(self, inputs: Inputs) -> str:
        """The normed sum of all tables, (T, hidden)."""
        sizes = self.sizes
        x = embed(self, inputs, positions=self.position_table)
        x = self.norm(x, self.weights.prefix + self.family.embedding_norm, sizes.embedding)
        projection = self.family.embedding_projection
        if projection and (sizes.embedding != sizes.hidden or self.has(projection)):
            (x,) = self.dense(x, [projection], sizes.hidden, sizes.embedding, source="norm")
        return x

    def attention(self, inputs: Inputs) -> Attention:
        """How a layer attends; what all layers share is computed here."""
        relative = self.family.relative_positions
        inside = bias_by_distance(self, self.distances(inputs), relative, MAX_RELATIVE_DISTANCE) if relative else ""
        bias = self.attention_bias(inputs, inside)
        return lambda x, prefix: self.attend(*self.project(x, self.attention_products(prefix)), bias)

    def layer(self, x: str, prefix: str, attention: Attention, at: str = "") -> str:
        """One layer, (T, hidden); at: see hidden_states."""
        x = self.attention_block(x, prefix, attention, at)
        return self.add_norm(self.feed_forward(x, prefix, at), x, prefix + self.family.names.ffn_norm)

    def attention_block(self, x: str, prefix: str, attention: Attention, at: str) -> str:
        """Attention, its last product and its norm, (T, hidden); at: see hidden_states."""
        attended = self.attention_out(self.rows(attention(x, prefix), at), prefix, at)
        return self.add_norm(attended, self.rows(x, at), prefix + self.family.names.attention_norm)

    def add_norm(self, x: str, residual: str, module: str) -> str:
        """The norm of a residual sum, by a module of the body."""
        return self.norm(self.graph.op("Add", x, residual), self.weights.prefix + module, self.sizes.hidden)

    def layer_prefixes(self) -> list[str]:
        """Before the names of each layer's modules."""
        layers = self.sizes.layers
        groups, inners = (
            self.config.integer(name, most=MOST_LAYERS) for name in ("num_hidden_groups", "inner_group_num")
        )
        return [
            self.family.layer.format(layer=layer, group=layer * groups // layers, inner=inner) + "."
            for layer in range(layers)
            for inner in range(inners)
        ]
