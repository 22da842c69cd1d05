"""EuroBERT: the body of Llama looking both ways; several heads of queries may share one of keys and values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from naiad.convert.encoder.bodies.body import Attention, BodyParts, Inputs
from naiad.convert.encoder.bodies.parts.dense import Product
from naiad.convert.encoder.bodies.parts.norm import root_mean_square_norm
from naiad.convert.encoder.bodies.parts.rotary import Rotary, read_rope
from naiad.convert.encoder.bodies.parts.scope import Scope
from naiad.convert.encoder.bodies.pre_norm import PreNormBody
from naiad.convert.encoder.families.architecture import Classifier
from naiad.core.errors import InvalidConfiguration


class EuroBody(PreNormBody):
    """EuroBERT's body."""

    position_table = False

    def __init__(self, *parts: *BodyParts) -> None:
        """See Body."""
        super().__init__(*parts)
        heads, shared = self.sizes.heads, self.config.entry("num_key_value_heads")[1]
        self._key_heads = heads if shared is None else self.config.integer("num_key_value_heads")
        if heads % self._key_heads:
            raise InvalidConfiguration(
                f"config.json: num_attention_heads {heads} is not a multiple of num_key_value_heads {self._key_heads}"
            )
        self._rotary = Rotary(self, read_rope(self.config))

    @property
    def classifier(self) -> Classifier:
        """The family's, with the pooling that config.json names."""
        pooling = self.config.choice("classifier_pooling", {"bos": "cls", "mean": "mean", "late": "late"})
        return replace(super().classifier, pooling=pooling)

    def norm(self, x: str, module: str, width: int, *, bias: bool | None = None) -> str:  # noqa: ARG002
        """See Body; without a mean and a shift."""
        return root_mean_square_norm(self, x, module, width)

    def attention(self, inputs: Inputs) -> Attention:
        """See PreNormBody."""
        scope = Scope(self, inputs)
        return lambda x, prefix: self._rotary.attend(x, self.attention_products(prefix), scope, inputs)

    def attention_products(self, prefix: str) -> list[Product]:
        """Query, key and value; keys and values that queries share are stored for each of them."""
        sizes, names, bias = self.sizes, self.family.names, self.config.flag("attention_in_bias")
        narrow = self._key_heads * sizes.head_size
        return [
            self.product(prefix + names.query, sizes.attention, sizes.hidden, bias=bias),
            *(
                self._spread(self.product(prefix + name, narrow, sizes.hidden, bias=bias))
                for name in (names.key, names.value)
            ),
        ]

    def _spread(self, product: Product) -> Product:
        times, size = self.sizes.heads // self._key_heads, self.sizes.head_size
        rows = np.repeat(np.arange(self._key_heads * size).reshape(-1, size), times, axis=0).reshape(-1)
        return Product(product.module, product.weight[rows], None if product.bias is None else product.bias[rows])
