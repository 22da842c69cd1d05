"""What all kinds of bodies have in common: weights by name, products, norms, tables, attention inside texts.

Packed: all texts of a batch stand one after the other in one row of T tokens, without padding. Everything but
attention treats tokens one by one and never notices. Attention sees the row cut into lanes of W tokens each, none of
which cuts a text, and is kept inside a text by a mask made from segment ids; so it costs T * W, not the square of T.

Plain operators on (T, width) matrices: on CPU the matrix products take 85 % of the time, ONNX Runtime fuses their bias
and scale, and its SkipLayerNormalization and MultiHeadAttention measured slower than what stands here.
Not here: in what order a body puts them together (its own file beside this one).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NoReturn

import numpy as np

from naiad.convert.encoder.bodies.parts.activation import activate
from naiad.convert.encoder.bodies.parts.dense import Dense, Product, gemm
from naiad.convert.encoder.bodies.parts.reading import rows
from naiad.convert.encoder.config import Config
from naiad.convert.encoder.dimensions import Dimensions
from naiad.convert.encoder.families.architecture import Classifier, LanguageHead
from naiad.convert.encoder.graph import GraphBuilder
from naiad.convert.encoder.weights import Weights
from naiad.core.errors import Unsupported


@dataclass(frozen=True, slots=True)
class Inputs:
    """Names of a packed graph's inputs; all int64."""

    ids: str
    """(T,) token ids."""
    positions: str
    """(T,) rows of the position table, restarting with every text."""
    segments: str
    """(T,) which text a token belongs to: 0 … n-1, ascending."""
    starts: str
    """(n,) where each text begins."""
    type_ids: str
    """(T,); empty if the model has none."""
    rows: str
    """(r,) tokens at which "row" outputs are computed; empty for heads without such."""
    attended: str = ""
    """(T,) 1 where other tokens may attend to a token, else 0; empty: everywhere."""


LANES = "lanes"
"""One more input, (1,): into how many lanes of equal width the pack is cut. No text lies in two."""

Attention = Callable[[str, str], str]
"""From a layer's input (T, hidden) and prefix to what its heads attend to (T, all heads); the last product not yet."""


BodyParts = tuple[GraphBuilder, Weights, Config, Dimensions, Dense]
"""What a body is made with."""


class Body(ABC):
    """Adds the parts of one encoder to a graph; a subclass for each kind, named in `Architecture.body`."""

    harmless: ClassVar[Mapping[str, tuple[object, ...]]] = {}
    """Options of config.json that change what this kind computes, and the values under which it is right."""

    def __init__(self, *parts: *BodyParts) -> None:
        """A subclass reads its own options here. Raises Unsupported, InvalidConfiguration."""
        graph, weights, config, sizes, dense = parts
        config.refuse({**self.harmless, **config.family.harmless})
        self.graph = graph
        self.weights = weights
        self.config = config
        self.family = config.family
        self.sizes = sizes
        self.gated = bool(config.family.names.ffn_gate) and config.gates
        self._dense = dense

    @property
    def classifier(self) -> Classifier:
        """How a text is classified: the family's way, where config.json has no say. Raises Unsupported."""
        return self.family.classifier or self._missing("classifier of texts")

    @property
    def language(self) -> LanguageHead:
        """How masked tokens are predicted, likewise. Raises Unsupported."""
        return self.family.language or self._missing("head for masked tokens")

    @property
    def summary_token(self) -> int | None:
        """The token whose last place a classifier of texts reads; None: it reads the first place."""
        return None

    def declare_inputs(self, *, rows: bool) -> Inputs:
        """Declare the graph's inputs."""
        graph = self.graph
        graph.input(LANES, (1,))
        return Inputs(
            ids=graph.input("input_ids", ("tokens",)),
            positions=graph.input("positions", ("tokens",)),
            segments=graph.input("segments", ("tokens",)),
            starts=graph.input("starts", ("texts",)),
            type_ids=graph.input("type_ids", ("tokens",)) if self.sizes.type_ids else "",
            rows=graph.input("rows", ("rows",)) if rows else "",
        )

    def hidden_states(self, inputs: Inputs, at: str = "") -> str:
        """The last hidden states, (T, hidden).

        at: (n,) the tokens whose states are read; the states are then (n, hidden), and behind the last layer's
        attention the others are not computed, except to be observed. Empty: all.
        """
        if self._dense.observes:
            return self.rows(self.last_states(inputs, ""), at)
        return self.last_states(inputs, at)

    @abstractmethod
    def last_states(self, inputs: Inputs, at: str) -> str:
        """What a body adds for hidden_states, which see."""

    def rows(self, x: str, at: str) -> str:
        """See `parts/reading.py`."""
        return rows(self.graph, x, at)

    def dense(
        self, x: str, modules: Sequence[str], outputs: int, inputs: int, *, source: str, at: str = ""
    ) -> list[str]:
        """Products of x by modules of the body, in the precision that the conversion chose; see Dense."""
        return self.multiply(x, [self.product(module, outputs, inputs) for module in modules], source=source, at=at)

    def multiply(self, x: str, products: Sequence[Product], *, source: str, at: str = "") -> list[str]:
        """The same for products whose weights are no modules as they stand: parts of a packed matrix, for one."""
        return self._dense(self.graph, x, products, source, at)

    def product(self, module: str, outputs: int, inputs: int, *, bias: bool = True) -> Product:
        """The product of a module of the body."""
        shift = self.weights.body(f"{module}.bias", outputs) if bias else None
        return Product(module, self.weights.body(f"{module}.weight", outputs, inputs), shift)

    def exact_dense(self, x: str, module: str, outputs: int, inputs: int, *, bias: bool = True) -> str:
        """A product by a module named in full (heads), always in float32."""
        weight = self.weights.get(f"{module}.weight", outputs, inputs)
        shift = self.weights.get(f"{module}.bias", outputs) if bias else None
        return gemm(self.graph, x, Product(module, weight, shift))

    def norm(self, x: str, module: str, width: int, *, bias: bool | None = None) -> str:
        """LayerNorm by a module named in full; bias None: as config.json says of all."""
        weight = self.graph.weight(f"{module}.weight", lambda: self.weights.get(f"{module}.weight", width))
        terms = [x, weight]
        if self.config.flag("norm_bias") if bias is None else bias:
            terms.append(self.graph.weight(f"{module}.bias", lambda: self.weights.get(f"{module}.bias", width)))
        return self.graph.op("LayerNormalization", *terms, axis=-1, epsilon=self.sizes.norm_epsilon)

    def activation(self, x: str, kind: str) -> str:
        """One of the values of ACTIVATIONS."""
        return activate(self.graph, x, kind)

    def table(self, name: str, rows: int, width: int = 0) -> str:
        """An embedding table of the body, (rows, width); 0: the embedding size."""
        width = width or self.sizes.embedding
        return self.graph.weight(name, lambda: self.weights.body(name, rows, width))

    def has(self, module: str) -> bool:
        """Whether the checkpoint holds a module of the body."""
        return self.weights.find(f"{self.weights.prefix}{module}.weight") is not None

    def look_up(self, name: str, rows: int, ids: str) -> str:
        """The table's row for each id, (T, embedding size)."""
        return self.graph.op("Gather", self.table(name, rows), ids)

    def distances(self, inputs: Inputs) -> str:
        """(lanes, W, W) int64: key position minus query position; meaningless across texts.

        Where positions do not count padding tokens, which a text may contain, places in the pack are what counts them.
        """
        graph, places = self.graph, inputs.positions
        if self.sizes.position_offset:
            places = graph.numbers(places)
        places = self.by_lanes(places)
        across = graph.op("Unsqueeze", places, graph.ints(1))
        return graph.op("Sub", across, graph.op("Unsqueeze", places, graph.ints(2)))

    def attention_bias(self, inputs: Inputs, inside: str = "", also: str = "") -> str:
        """`inside` (0 if empty) where two tokens belong to one text, minus infinity elsewhere; (lanes, …, W, W).

        inside: (lanes, heads, W, W). also: (lanes, W, W) bool, what must hold besides.
        """
        graph, segments = self.graph, self.by_lanes(inputs.segments)
        across = graph.op("Unsqueeze", segments, graph.ints(1))
        down = graph.op("Unsqueeze", segments, graph.ints(2))
        same = graph.op("Equal", down, across)
        if also:
            same = graph.op("And", same, also)
        if inputs.attended:
            seen = graph.op("Equal", inputs.attended, graph.integer(1))
            same = graph.op("And", same, graph.op("Unsqueeze", self.by_lanes(seen), graph.ints(1)))
        same = graph.op("Unsqueeze", same, graph.ints(1))
        return graph.op("Where", same, inside or graph.number(0.0), graph.number(-math.inf))

    def attention_products(self, prefix: str) -> list[Product]:
        """Query, key and value of a layer, each (all heads, hidden)."""
        names, width = self.family.names, self.sizes.attention
        modules = [prefix + name for name in (names.query, names.key, names.value)]
        return self._products(
            modules, names.packed and prefix + names.packed, width, bias=self.config.flag("attention_in_bias")
        )

    def feed_forward(self, x: str, prefix: str, at: str) -> str:
        """The two products of a layer's feed-forward and what is between them, gated or not; (T, hidden).

        at: see hidden_states; x has only these rows.
        """
        sizes, names, graph = self.sizes, self.family.names, self.graph
        modules = [prefix + names.ffn_in, *([prefix + names.ffn_gate] if self.gated else [])]
        if names.gate_first:
            modules.reverse()
        packed = names.ffn_packed and prefix + names.ffn_packed
        products = self._products(modules, packed, sizes.intermediate, bias=self.config.flag("ffn_in_bias"))
        inner = dict(zip(modules, self.multiply(x, products, source="norm", at=at), strict=True))
        activated = self.activation(inner[prefix + (names.ffn_gate if self.gated else names.ffn_in)], sizes.activation)
        if self.gated:
            activated = graph.op("Mul", activated, inner[prefix + names.ffn_in])
        out = self.product(
            prefix + names.ffn_out, sizes.hidden, sizes.intermediate, bias=self.config.flag("ffn_out_bias")
        )
        (y,) = self.multiply(activated, [out], source="product" if self.gated else sizes.activation, at=at)
        return y

    def attention_out(self, x: str, prefix: str, at: str) -> str:
        """The product behind attention, (T, hidden); at: see hidden_states; x has only these rows."""
        sizes, module = self.sizes, prefix + self.family.names.attention_out
        product = self.product(module, sizes.hidden, sizes.attention, bias=self.config.flag("attention_out_bias"))
        (y,) = self.multiply(x, [product], source="attention", at=at)
        return y

    def _products(self, modules: Sequence[str], packed: str, outputs: int, *, bias: bool) -> list[Product]:
        """Products of the hidden state; parts of one matrix where the checkpoint holds them packed."""
        hidden, count = self.sizes.hidden, len(modules)
        if not packed or (self.has(modules[0]) and not self.has(packed)):
            return [self.product(module, outputs, hidden, bias=bias) for module in modules]
        whole = self.product(packed, count * outputs, hidden, bias=bias)
        weights = np.split(whole.weight, count)
        shifts = [None] * count if whole.bias is None else np.split(whole.bias, count)
        return [Product(*parts) for parts in zip(modules, weights, shifts, strict=True)]

    def values(self, product: Product) -> Product:
        """The product of values as `attend` wants it: where inputs are rounded, with a column of ones (see `_mix`)."""
        return self._with_ones(product) if self._dense.rounds else product

    def project(self, x: str, products: Sequence[Product]) -> tuple[str, str, str]:
        """Query, key and value of every token, (T, all heads); what `attend` takes."""
        query, key, value = products
        first, second, third = self.multiply(x, [query, key, self.values(value)], source="norm")
        return first, second, third

    def attend(self, query: str, key: str, value: str, bias: str, scale: float | None = None) -> str:
        """Scaled dot-product attention, (T, all heads). scale: None for one over the root of a head's size.

        query and key may come as (T, heads, head size), too.
        """
        graph, sizes = self.graph, self.sizes
        query, key, value = self.by_heads(query, key, value)
        product = graph.op("MatMul", query, key)
        factor = sizes.head_size**-0.5 if scale is None else scale
        scores = product if factor == 1 else graph.op("Mul", product, graph.number(factor))
        return self.mix(graph.op("Add", scores, bias), value)

    def mix(self, scores: str, value: str) -> str:
        """Values (lanes, heads, W, size) weighted by the softmax of scores (lanes, heads, W, W); (T, all heads)."""
        mixed = self._mix_invariant(scores, value) if self._dense.rounds else self._mix(scores, value)
        joined = self.graph.op("Transpose", mixed, perm=[0, 2, 1, 3])
        return self.graph.op("Reshape", joined, self.graph.ints(-1, self.sizes.attention))

    def by_lanes(self, x: str) -> str:
        """(T,) as (lanes, W)."""
        graph = self.graph
        return graph.op("Reshape", x, graph.once("lanes", lambda: graph.op("Concat", LANES, graph.ints(-1), axis=0)))

    def by_heads(self, query: str, key: str, value: str) -> tuple[str, str, str]:
        """Queries (lanes, heads, W, size), keys (lanes, heads, size, W) and values (lanes, heads, W, size), of (T, …).

        Where inputs are rounded, values are one wider (see `_mix_invariant`).
        """
        size = self.sizes.head_size
        return (
            self._split_heads(query, size, (0, 2, 1, 3)),
            self._split_heads(key, size, (0, 2, 3, 1)),
            self._split_heads(value, size + self._dense.rounds, (0, 2, 1, 3)),
        )

    def _split_heads(self, x: str, size: int, permutation: tuple[int, int, int, int]) -> str:
        graph, heads = self.graph, self.sizes.heads

        def shape() -> str:
            return graph.op("Concat", LANES, graph.ints(-1, heads, size), axis=0)

        split = graph.op("Reshape", x, graph.once(f"{heads} heads of {size}", shape))
        return graph.op("Transpose", split, perm=permutation)

    def _missing(self, part: str) -> NoReturn:
        raise Unsupported(f"{self.config.content.get('model_type')} has no {part} that Naiad converts itself")

    def _mix(self, scores: str, value: str) -> str:
        """Values weighted by the softmax of scores, (lanes, heads, W, head size)."""
        return self.graph.op("MatMul", self.graph.op("Softmax", scores, axis=-1), value)

    def _mix_invariant(self, scores: str, value: str) -> str:
        """The same to the last bit wherever a text stands in the pack; `value` has a column of ones (…, W, +1).

        A vectorised sum adds in an order that depends on the place. A matrix product adds one term after the other, and
        the zeros of other texts change nothing; so it sums the weights as well, in the column of ones.
        """
        graph = self.graph
        above = graph.op("Sub", scores, graph.op("ReduceMax", scores, graph.ints(-1), keepdims=1))
        mixed = graph.op("MatMul", graph.op("Exp", above), value)
        last, end, axis = graph.ints(self.sizes.head_size), graph.ints(self.sizes.head_size + 1), graph.ints(3)
        values = graph.op("Slice", mixed, graph.ints(0), last, axis)
        return graph.op("Div", values, graph.op("Slice", mixed, last, end, axis))

    def _with_ones(self, product: Product) -> Product:
        """One more output for every head, which is always 1."""
        heads = self.sizes.heads
        weight = product.weight.reshape(heads, self.sizes.head_size, -1)
        bias = np.zeros(self.sizes.attention, np.float32) if product.bias is None else product.bias
        bias = bias.reshape(heads, self.sizes.head_size)
        return Product(
            product.module,
            np.pad(weight, ((0, 0), (0, 1), (0, 0))).reshape(-1, weight.shape[2]),
            np.pad(bias, ((0, 0), (0, 1)), constant_values=1).reshape(-1),
        )
