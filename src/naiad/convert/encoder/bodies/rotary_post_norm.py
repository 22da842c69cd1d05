"""Post-norm transformers with rotary positions: RoFormer, NomicBERT, GTE, Jina embeddings v3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np

from naiad.convert.encoder.bodies.body import Attention, BodyParts, Inputs
from naiad.convert.encoder.bodies.parts.rotary import Rope, Rotary, read_rope
from naiad.convert.encoder.bodies.parts.scope import Scope
from naiad.convert.encoder.bodies.post_norm import PostNormBody
from naiad.convert.encoder.families.architecture import LanguageHead

GATED_MULTIPLE = 256
"""NomicBERT's own code makes gated feed-forwards a multiple of it wide."""


class RotaryPostNormBody(PostNormBody):
    """The body of BERT, but positions turn queries and keys, and the feed-forward may be gated."""

    harmless: ClassVar[Mapping[str, tuple[object, ...]]] = {"position_embedding_type": (None, "rope", "rotary")}

    position_table = False

    def __init__(self, *parts: *BodyParts) -> None:
        """See Body."""
        super().__init__(*parts)
        self._rotary = Rotary(self, self.rope())

    def rope(self) -> Rope:
        """What config.json says of rotary positions."""
        return read_rope(self.config)

    def attention(self, inputs: Inputs) -> Attention:
        """See PostNormBody."""
        scope = Scope(self, inputs)
        return lambda x, prefix: self._rotary.attend(x, self.attention_products(prefix), scope, inputs)


class RoFormerBody(RotaryPostNormBody):
    """RoFormer: neighbours are pairs, and a checkpoint brings the table of sines and cosines."""

    def __init__(self, *parts: *BodyParts) -> None:
        """See Body."""
        super().__init__(*parts)
        table = "encoder.embed_positions"
        if self.has(table):
            sin, cos = np.split(
                self.weights.body(f"{table}.weight", self.sizes.positions, self.sizes.head_size), 2, axis=1
            )
            self._rotary.tables = (cos, sin)

    def rope(self) -> Rope:
        """See RotaryPostNormBody."""
        return replace(super().rope(), interleaved=True)


class NomicBody(RotaryPostNormBody):
    """NomicBERT in the words of its own code; transformers' words are those of RotaryPostNormBody."""

    def __init__(self, *parts: *BodyParts) -> None:
        """See Body."""
        super().__init__(*parts)
        sizes, multiple = self.sizes, self.config.integer("pad_vocab_size_multiple")
        inner = sizes.intermediate
        self.sizes = replace(
            sizes,
            vocabulary=-(-sizes.vocabulary // multiple) * multiple,
            intermediate=-(-inner // GATED_MULTIPLE) * GATED_MULTIPLE if self.gated else inner,
        )

    def rope(self) -> Rope:
        """See RotaryPostNormBody."""
        config = self.config
        rope = replace(read_rope(config), interleaved=config.flag("rotary_emb_interleaved"))
        if config.entry("rotary_scaling_factor")[1] is None:
            return rope
        factor, trained = config.number("rotary_scaling_factor"), config.integer("max_trained_positions")
        return replace(rope, kind="dynamic", factor=factor, trained=trained)

    @property
    def language(self) -> LanguageHead:
        """The family's; its products have a bias where the feed-forward has one."""
        bias = self.config.flag("ffn_in_bias")
        return replace(super().language, bias=bias, decoder_bias=bias)
