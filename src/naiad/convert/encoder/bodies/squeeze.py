"""SqueezeBERT: BERT with products in groups, which the checkpoint holds as convolutions one token wide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from naiad.convert.encoder.bodies.parts.dense import Product
from naiad.convert.encoder.bodies.parts.neighbours import joined_kernel
from naiad.convert.encoder.bodies.post_norm import PostNormBody


class SqueezeBody(PostNormBody):
    """SqueezeBERT's body."""

    harmless: ClassVar[Mapping[str, tuple[object, ...]]] = {**PostNormBody.harmless, "layer_norm_eps": (None, 1e-12)}
    """transformers takes another epsilon for the first norm only."""

    def product(self, module: str, outputs: int, inputs: int, *, bias: bool = True) -> Product:
        """See Body; zeros stand where the groups do not meet."""
        name = f"{module}.weight"
        _, narrow, *_ = self.weights.shape(self.weights.prefix + name)
        kernel = self.weights.body(name, outputs, narrow, 1)
        shift = self.weights.body(f"{module}.bias", outputs) if bias else None
        return Product(module, joined_kernel(kernel, inputs // narrow), shift)
