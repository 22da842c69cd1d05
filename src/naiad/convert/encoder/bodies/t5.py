"""T5's encoder: norms without a mean or a shift, scores that are not scaled, a bias by distance that all layers share.

Sentence-T5, GTR and Instructor are such encoders. Not here: the decoder; nothing is generated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from naiad.convert.encoder.bodies.body import Attention, BodyParts, Inputs
from naiad.convert.encoder.bodies.parts.distance import FARTHEST
from naiad.convert.encoder.bodies.parts.norm import root_mean_square_norm
from naiad.convert.encoder.bodies.parts.relative import bias_by_distance
from naiad.convert.encoder.bodies.parts.scope import Scope
from naiad.convert.encoder.bodies.pre_norm import PreNormBody
from naiad.convert.encoder.families.architecture import ACTIVATIONS
from naiad.core.errors import Unsupported

BIAS = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"


class T5Body(PreNormBody):
    """The encoder of T5 and mT5."""

    harmless: ClassVar[Mapping[str, tuple[object, ...]]] = {}

    position_table = False

    def __init__(self, *parts: *BodyParts) -> None:
        """See Body."""
        super().__init__(*parts)
        function, self.gated = _feed_forward(self.config.entry("feed_forward_proj")[1])
        self.sizes = replace(self.sizes, activation=function)
        if not self.gated:
            feed = "layer.1.DenseReluDense.wi"
            self.family = replace(self.family, names=replace(self.family.names, ffn_in=feed, ffn_gate=""))
        tables = (self.family.words, "encoder.embed_tokens.weight")
        words = next((name for name in tables if self.weights.find(self.weights.prefix + name)), tables[0])
        self.family = replace(self.family, words=words)

    def norm(self, x: str, module: str, width: int, *, bias: bool | None = None) -> str:  # noqa: ARG002
        """See Body; without a mean and a shift."""
        return root_mean_square_norm(self, x, module, width)

    def attention(self, inputs: Inputs) -> Attention:
        """See PreNormBody."""
        farthest = self.config.integer("relative_attention_max_distance", most=FARTHEST)
        scope = Scope(self, inputs, bias=lambda distance: bias_by_distance(self, distance, BIAS, farthest), scale=1.0)
        return lambda x, prefix: scope.attend(*self.project(x, self.attention_products(prefix)))


def _feed_forward(text: object) -> tuple[str, bool]:
    """The activation and whether it is a gate. "gated-gelu" always meant the one by tanh. Raises Unsupported."""
    *gate, name = str(text).split("-")
    name = "gelu_new" if text == "gated-gelu" else name
    if gate not in ([], ["gated"]) or name not in ACTIVATIONS:
        raise Unsupported(
            f"config.json: feed_forward_proj={text!r} is not converted by Naiad itself; known: "
            f"{', '.join(ACTIVATIONS)}, each also with `gated-` before it",
            option="feed_forward_proj",
        )
    return ACTIVATIONS[name], bool(gate)
