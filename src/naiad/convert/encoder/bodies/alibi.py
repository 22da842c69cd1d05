"""JinaBERT v2: no position is embedded; scores fall with the distance, at a slope of its own for each head (ALiBi).

Two forms are published under one config.json; the weights tell which. The later one (jina-embeddings-v2-base-code, -de,
-es, -zh) norms queries and keys, and has one more norm behind attention.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np

from naiad.convert.encoder.bodies.body import Attention, BodyParts, Inputs
from naiad.convert.encoder.bodies.parts.scope import Scope
from naiad.convert.encoder.bodies.post_norm import PostNormBody
from naiad.core.tensor import Array

QUERY_NORM, KEY_NORM = "attention.self.layer_norm_q", "attention.self.layer_norm_k"
SECOND_ATTENTION_NORM = "layer_norm_1"


class AlibiBody(PostNormBody):
    """JinaBERT's body."""

    harmless: ClassVar[Mapping[str, tuple[object, ...]]] = {"position_embedding_type": (None, "alibi", "absolute")}

    def __init__(self, *parts: *BodyParts) -> None:
        """See Body."""
        super().__init__(*parts)
        self.position_table = self.config.content.get("position_embedding_type") != "alibi"
        self._later = self.has(f"{self.layer_prefixes()[0]}{QUERY_NORM}")
        if self._later:
            names = self.family.names
            later = replace(
                names,
                ffn_packed="mlp.up_gated_layer",
                gate_first=False,
                ffn_out="mlp.down_layer",
                ffn_norm="layer_norm_2",
            )
            self.family = replace(self.family, names=later)

    def attention(self, inputs: Inputs) -> Attention:
        """See PostNormBody."""
        slopes = self.graph.constant(-slopes_of(self.sizes.heads)[:, None, None])

        def falling(distance: str) -> str:
            size = self.graph.op("Cast", self.graph.op("Abs", distance), to=self.graph.FLOAT)
            return self.graph.op("Mul", slopes, self.graph.op("Unsqueeze", size, self.graph.ints(1)))

        scope = Scope(self, inputs, bias=falling)

        def attend(x: str, prefix: str) -> str:
            query, key, value = self.project(x, self.attention_products(prefix))
            if self._later:
                before, hidden = self.weights.prefix + prefix, self.sizes.hidden
                query = self.norm(query, before + QUERY_NORM, hidden)
                key = self.norm(key, before + KEY_NORM, hidden)
            return scope.attend(query, key, value)

        return attend

    def attention_block(self, x: str, prefix: str, attention: Attention, at: str) -> str:
        """See PostNormBody."""
        attended = super().attention_block(x, prefix, attention, at)
        return self.add_norm(attended, self.rows(x, at), prefix + SECOND_ATTENTION_NORM) if self._later else attended


def slopes_of(heads: int) -> Array:
    """ALiBi's slope for each head, float32: powers of one number, and for other counts what is between them."""
    whole = 2 ** math.floor(math.log2(heads))

    def powers(count: int) -> list[float]:
        start = 2 ** (-8 / count)
        return [start ** (head + 1) for head in range(count)]

    return np.array(powers(whole) + powers(2 * whole)[0::2][: heads - whole], np.float32)
