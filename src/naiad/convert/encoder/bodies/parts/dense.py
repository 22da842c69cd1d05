"""Matrix products of a body: what they are made of, and the plain way to compute them.

Not here: products in 8-bit integers (`quantize.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from naiad.convert.encoder.graph import GraphBuilder
from naiad.core.tensor import Array


@dataclass(frozen=True, slots=True)
class Product:
    """One matrix product of the body."""

    module: str
    """The name below the body's prefix."""
    weight: Array
    """(out, in) float32, as checkpoints store it."""
    bias: Array | None
    """(out,) float32."""


class Dense(Protocol):
    """How matrix products of the body are computed: `Float32Dense` here, `Int8Dense` in `quantize.py`."""

    @property
    def rounds(self) -> bool:
        """Whether inputs are rounded coarsely, so that a last-bit difference in them can become a visible one."""
        ...

    @property
    def observes(self) -> bool:
        """Whether it tells how far its inputs reach, for which it must see all tokens."""
        ...

    def __call__(
        self, graph: GraphBuilder, x: str, products: Sequence[Product], source: str, at: str = ""
    ) -> list[str]:
        """Multiply x (T, in) by every weight transposed and add its bias; one (T, out) for each product.

        source: what made x: "norm", "attention", "product" or the activation's name. It tells what range to expect.
        at: which tokens x has rows of; empty: all.
        """
        ...


class Float32Dense:
    """The plain one: a Gemm for each product, the weight as the checkpoint stores it."""

    rounds = False
    observes = False

    def __call__(
        self,
        graph: GraphBuilder,
        x: str,
        products: Sequence[Product],
        source: str,  # noqa: ARG002
        at: str = "",  # noqa: ARG002
    ) -> list[str]:
        """See Dense."""
        return [gemm(graph, x, product) for product in products]


def gemm(graph: GraphBuilder, x: str, product: Product) -> str:
    """X (T, in) times the weight (out, in) transposed, plus the bias (out,), in float32."""
    module, bias = product.module, product.bias
    terms = [x, graph.weight(f"{module}.weight", lambda: product.weight)]
    if bias is not None:
        terms.append(graph.weight(f"{module}.bias", lambda: bias))
    return graph.op("Gemm", *terms, transB=1)


def join(products: Sequence[Product]) -> Product:
    """Several products of one input as one: a wide product costs less than several narrow ones."""
    if len(products) == 1:
        return products[0]
    biases = [product.bias for product in products]
    return Product(
        products[0].module,
        np.concatenate([product.weight for product in products]),
        None if all(bias is None for bias in biases) else np.concatenate([_bias(product) for product in products]),
    )


def _bias(product: Product) -> Array:
    return np.zeros(len(product.weight), np.float32) if product.bias is None else product.bias
