"""ModernBERT: rotary positions, gated feed-forward, attention that is local in most layers.

A local layer sees `local_attention // 2` tokens to either side; the band is one more condition of the mask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from naiad.convert.encoder.bodies.body import Attention, BodyParts, Inputs
from naiad.convert.encoder.bodies.parts.rotary import Rope, Rotary, read_rope
from naiad.convert.encoder.bodies.parts.scope import Scope
from naiad.convert.encoder.bodies.pre_norm import PreNormBody
from naiad.convert.encoder.config import Config
from naiad.convert.encoder.dimensions import Dimensions
from naiad.convert.encoder.families.architecture import Classifier, LanguageHead
from naiad.core.errors import InvalidConfiguration

FULL, LOCAL = "full_attention", "sliding_attention"
"""What `layer_types` of config.json may say."""


class ModernBody(PreNormBody):
    """ModernBERT's body."""

    harmless: ClassVar[Mapping[str, tuple[object, ...]]] = {}

    position_table = False

    def __init__(self, *parts: *BodyParts) -> None:
        """See Body."""
        super().__init__(*parts)
        config = self.config
        self._kinds = dict(zip(self.layer_prefixes(), _layer_types(config, self.sizes), strict=True))
        self._rotary = {kind: Rotary(self, _rope(config, kind)) for kind in dict.fromkeys(self._kinds.values())}

    @property
    def classifier(self) -> Classifier:
        """The family's, with the options of config.json."""
        return replace(
            super().classifier,
            activation=self.config.activation("classifier_activation"),
            bias=self.config.flag("classifier_bias"),
            pooling=self.config.choice("classifier_pooling", {"cls": "cls", "mean": "mean"}),
        )

    @property
    def language(self) -> LanguageHead:
        """The family's, with the options of config.json."""
        return replace(
            super().language,
            activation=self.config.activation("classifier_activation"),
            bias=self.config.flag("classifier_bias"),
            decoder_bias=self.config.flag("decoder_bias"),
        )

    def attention(self, inputs: Inputs) -> Attention:
        """See PreNormBody."""
        near = self.config.integer("local_attention") // 2
        scopes = {kind: Scope(self, inputs, reach=near if kind == LOCAL else None) for kind in self._rotary}

        def attend(x: str, prefix: str) -> str:
            kind = self._kinds[prefix]
            return self._rotary[kind].attend(x, self.attention_products(prefix), scopes[kind], inputs)

        return attend

    def attention_norm(self, x: str, prefix: str) -> str:
        """The first layer takes the normed embeddings as they are."""
        return x if prefix == self.layer_prefixes()[0] else super().attention_norm(x, prefix)


def _layer_types(config: Config, sizes: Dimensions) -> list[str]:
    types = config.content.get("layer_types")
    if types is None:
        every = config.integer("global_attn_every_n_layers")
        return [LOCAL if layer % every else FULL for layer in range(sizes.layers)]
    if not isinstance(types, list) or len(types) != sizes.layers or not set(types) <= {FULL, LOCAL}:
        raise InvalidConfiguration(
            f"config.json: layer_types must name {FULL} or {LOCAL} for each of the {sizes.layers} layers"
        )
    return types


def _rope(config: Config, kind: str) -> Rope:
    """The kind's rotary positions; an explicit null for the local ones means the global ones."""
    if "local_rope_theta" in config.content and config.content["local_rope_theta"] is None:
        kind = FULL
    return read_rope(config, kind)
