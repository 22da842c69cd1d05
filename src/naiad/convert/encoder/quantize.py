"""Products in 8-bit integers, with an activation scale for every token.

A token's values are divided by a scale of its own, rounded to 8 bits, multiplied in integers and scaled back, so that a
text's answer does not depend on what else is in the pack. All in standard operators: ONNX Runtime's MatMulInteger takes
the VNNI instructions where the machine has them.

What keeps it close to float32, measured on MiniLM over 250 ordinary texts (lowest / median cosine to float32):

    a scale per token, nothing else                                     0.990 / 0.9973
    and GELU's output quantised from its true minimum, -0.17            0.991 / 0.9977
    and channels of LayerNorm's outputs balanced against the weights    0.9978 / 0.9992

(Leaving out the single word "thanks", which is 0.967, 0.967, 0.994.) Balancing divides channels that reach far by a
factor and multiplies the weights' columns by it. How far channels reach is observed on random tokens: outlier channels
are a property of the weights, and real text told nothing more. GPTQ-like rounding and leaving any one layer in float32
changed the figures by less than 0.0005 each.

Not here: the graph around the products (`bodies/`). Embedding tables and heads stay in float32.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from naiad.convert.encoder.bodies.parts.dense import Float32Dense, Product, join
from naiad.convert.encoder.graph import GraphBuilder
from naiad.core.tensor import Array

LOWEST = {"gelu": 0.17, "gelu_tanh": 0.1701, "silu": 0.2785, "quick_gelu": 0.1637, "relu": 0.0}
"""How far below zero an activation function can go; those that are not here are symmetric."""

BELOW_ZERO = 32
"""How many of 256 steps an activation with a lowest value keeps for values below zero; 16 and 64 are no better."""

BALANCE = 0.5
"""Exponent that shares a channel's reach between activations and weights; 0.35 to 0.8 measured alike."""

SMALLEST = 1e-30
"""Smallest scale of a token: a row of zeros stays zeros."""


def has_fast_signed_products() -> bool:
    """Whether products of unsigned by signed 8-bit integers are exact on this machine.

    x86 without VNNI adds pairs of them in 16 bits, which overflow; then weights are stored unsigned: exact everywhere,
    but half as fast where VNNI is.
    """
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return True
    try:
        return "_vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


@dataclass(slots=True)
class ObservingDense:
    """Float32 products in a graph whose further outputs say how far each channel of their inputs reaches."""

    rounds: ClassVar[bool] = False
    observes: ClassVar[bool] = True

    peaks: dict[str, str] = field(default_factory=dict)
    """Output of the graph → the module that it concerns."""

    def __call__(
        self, graph: GraphBuilder, x: str, products: Sequence[Product], source: str, at: str = ""
    ) -> list[str]:
        """See Dense."""
        if source == "norm":
            name = f"peak_{len(self.peaks)}"
            self.peaks[name] = products[0].module
            reach = graph.op("ReduceMax", graph.op("Abs", x), graph.ints(0), keepdims=0)
            graph.output(name, reach, (products[0].weight.shape[1],))
        return Float32Dense()(graph, x, products, source, at)


class Int8Dense:
    """Quantised products; those of one input share its quantisation."""

    rounds: ClassVar[bool] = True
    observes: ClassVar[bool] = False

    def __init__(self, peaks: Mapping[str, Array], *, signed: bool) -> None:
        """peaks: by the first module of a group, how far each channel of the input reaches, (in,) float32."""
        self._peaks = peaks
        self._signed = signed

    def __call__(
        self, graph: GraphBuilder, x: str, products: Sequence[Product], source: str, at: str = ""
    ) -> list[str]:
        """See Dense."""
        factor = self._balance(products)
        if factor is not None:
            name = f"{products[0].module}.balance"
            x = graph.op("Mul", x, graph.weight(name, lambda: 1 / factor))
        scale, zero_point = self._token_scale(graph, x, source)
        zero = graph.constant(zero_point)
        zeros = graph.once(f"zeros of {zero} at {at}", lambda: graph.op("Expand", zero, graph.op("Shape", scale)))
        quantised = graph.op("QuantizeLinear", x, scale, zeros, axis=0)
        y = self._product(graph, (quantised, zero, scale), join(products), factor)
        return [y] if len(products) == 1 else graph.split(y, [len(product.weight) for product in products], axis=1)

    def _balance(self, products: Sequence[Product]) -> Array | None:
        """What each channel of the input is divided by, and the weights multiplied; None: not observed."""
        peaks = self._peaks.get(products[0].module)
        if peaks is None:
            return None
        weights = np.max([np.abs(product.weight).max(axis=0) for product in products], axis=0)
        factor = (np.maximum(peaks, 1e-3) ** BALANCE) / (np.maximum(weights, 1e-3) ** (1 - BALANCE))
        balanced: Array = (factor / np.median(factor)).astype(np.float32)
        return balanced

    def _token_scale(self, graph: GraphBuilder, x: str, source: str) -> tuple[str, Array]:
        """(T,) value of one step for each token, and the unsigned number that stands for zero."""
        lowest = LOWEST.get(source)
        if lowest is None:
            reach = graph.op("ReduceMax", graph.op("Abs", x), graph.ints(1), keepdims=0)
            scale = graph.op("Mul", reach, graph.number(1 / 127))
            return graph.op("Max", scale, graph.number(SMALLEST)), np.array(128, np.uint8)
        below = BELOW_ZERO if lowest else 0
        reach = graph.op("ReduceMax", x, graph.ints(1), keepdims=0)
        scale = graph.op("Mul", reach, graph.number(1 / (255 - below)))
        least = lowest / below if below else SMALLEST
        return graph.op("Max", scale, graph.number(least)), np.array(below, np.uint8)

    def _product(
        self, graph: GraphBuilder, quantised: tuple[str, str, str], product: Product, factor: Array | None
    ) -> str:
        x, zero_point, token_scale = quantised
        weight = product.weight if factor is None else product.weight * factor
        step = np.maximum(np.abs(weight).max(axis=1) / 127, SMALLEST).astype(np.float32)
        terms = [x, graph.weight(f"{product.module}.weight", lambda: self._integers(weight, step)), zero_point]
        if not self._signed:
            terms.append(graph.constant(np.array(128, np.uint8)))
        sums = graph.op("MatMulInteger", *terms)
        y = graph.op("DequantizeLinear", sums, token_scale, axis=0)
        y = graph.op("Mul", y, graph.weight(f"{product.module}.step", lambda: step))
        bias = product.bias
        return y if bias is None else graph.op("Add", y, graph.weight(f"{product.module}.bias", lambda: bias))

    def _integers(self, weight: Array, step: Array) -> Array:
        """(in, out), as MatMulInteger takes it."""
        rounded = np.rint(weight / step[:, None]).T
        return rounded.astype(np.int8) if self._signed else (rounded + 128).astype(np.uint8)


def random_tokens(vocabulary: int, longest: int) -> list[Array]:
    """Tokenized texts to observe channels on: the same ones every time, of 1 to 55 tokens."""
    random = np.random.default_rng(0)
    lengths = [min(length, longest) for length in (1, 2, 3, 5, 8, 13, 21, 34, 55)] * 6
    return [random.integers(0, vocabulary, length) for length in lengths]
