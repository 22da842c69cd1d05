"""Transformers whose norms stand before attention and feed-forward, with one more behind the last layer.

XLM-RoBERTa-XL, RoBERTa-PreLayerNorm, Megatron BERT; ModernBERT builds on it (`modern.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from naiad.convert.encoder.bodies.body import Attention, Body, Inputs
from naiad.convert.encoder.bodies.parts.embeddings import embed
from naiad.convert.encoder.bodies.parts.reading import read_of_layers


class PreNormBody(Body):
    """Embeddings, layers that add to what they normed, a last norm."""

    harmless: ClassVar[Mapping[str, tuple[object, ...]]] = {"position_embedding_type": (None, "absolute")}

    position_table = True
    """Whether positions are embedded; else attention knows of them."""

    def last_states(self, inputs: Inputs, at: str) -> str:
        """See Body."""
        x = embed(self, inputs, positions=self.position_table)
        if self.family.embedding_norm:
            x = self.body_norm(x, self.family.embedding_norm)
        attention = self.attention(inputs)
        for layer, read in read_of_layers(self.layer_prefixes(), at):
            x = self._layer(x, layer, attention, read)
        return self.body_norm(x, self.family.final_norm)

    def attention(self, inputs: Inputs) -> Attention:
        """How a layer attends; what all layers share is computed here."""
        bias = self.attention_bias(inputs)
        return lambda x, prefix: self.attend(*self.project(x, self.attention_products(prefix)), bias)

    def layer_prefixes(self) -> list[str]:
        """Before the names of each layer's modules."""
        return [self.family.layer.format(layer=layer) + "." for layer in range(self.sizes.layers)]

    def attention_norm(self, x: str, prefix: str) -> str:
        """What attention sees of x."""
        return self.body_norm(x, prefix + self.family.names.attention_norm)

    def body_norm(self, x: str, module: str) -> str:
        """The norm of the hidden state by a module of the body."""
        return self.norm(x, self.weights.prefix + module, self.sizes.hidden)

    def _layer(self, x: str, prefix: str, attention: Attention, at: str) -> str:
        attended = attention(self.attention_norm(x, prefix), prefix)
        x = self.graph.op("Add", self.rows(x, at), self.attention_out(self.rows(attended, at), prefix, at))
        inner = self.body_norm(x, prefix + self.family.names.ffn_norm)
        return self.graph.op("Add", x, self.feed_forward(inner, prefix, at))
