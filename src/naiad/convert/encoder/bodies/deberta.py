"""DeBERTa: a post-norm transformer whose attention scores also depend on how far apart two tokens are.

A score is the sum of three products: query by key, query by the key's distance ("c2p"), key by the query's distance
("p2c"). Embeddings of distances do not depend on the text, so their projections are computed here, once.
Not here: which distance has which column (`parts/distance.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np

from naiad.convert.encoder.bodies.body import Attention, Inputs
from naiad.convert.encoder.bodies.parts.blocks import Blocks
from naiad.convert.encoder.bodies.parts.dense import Dense, Product
from naiad.convert.encoder.bodies.parts.distance import Distances, Window
from naiad.convert.encoder.bodies.parts.neighbours import joined_kernel, neighbours
from naiad.convert.encoder.bodies.parts.reading import read_of_layers
from naiad.convert.encoder.bodies.post_norm import PostNormBody
from naiad.convert.encoder.config import Config
from naiad.convert.encoder.dimensions import Dimensions
from naiad.convert.encoder.families.architecture import Classifier, LanguageHead
from naiad.convert.encoder.graph import GraphBuilder
from naiad.convert.encoder.weights import Weights
from naiad.core.tensor import Array

WIDEST_KERNEL = 99
"""Tokens; the published models have 3."""

MODERN_LANGUAGE = LanguageHead(
    "lm_predictions.lm_head.dense",
    "lm_predictions.lm_head.LayerNorm",
    "",
    ("lm_predictions.lm_head.bias",),
    activation="",
)
"""The head of checkpoints whose config.json says `legacy: false`; the vocabulary is always the word embeddings."""


class DebertaV2Body(PostNormBody):
    """DeBERTa-v2 and -v3."""

    harmless: ClassVar[Mapping[str, tuple[object, ...]]] = {}

    def __init__(self, graph: GraphBuilder, weights: Weights, config: Config, sizes: Dimensions, dense: Dense) -> None:
        """See Body."""
        super().__init__(graph, weights, config, sizes, dense)
        config.refuse({"attention_head_size": (None, sizes.head_size)})
        self._kinds = _read_kinds(config)
        self._distances = Distances.read(config, sizes) if config.flag("relative_attention") else None

    @property
    def classifier(self) -> Classifier:
        """The family's, with the activation that config.json names."""
        return replace(super().classifier, activation=self.config.activation("pooler_hidden_act"))

    @property
    def language(self) -> LanguageHead:
        """One of two; config.json tells which."""
        return super().language if self.config.flag("legacy") else MODERN_LANGUAGE

    @property
    def terms(self) -> int:
        """How many products a score is the sum of; attention is scaled by it, whether or not they are computed."""
        return 1 + ("c2p" in self._kinds) + ("p2c" in self._kinds)

    def last_states(self, inputs: Inputs, at: str) -> str:
        """See Body."""
        embedded = x = self.embeddings(inputs)
        attention = self.attention(inputs)
        for number, (layer, read) in enumerate(read_of_layers(self.layer_prefixes(), at)):
            x = self.layer(x, layer, attention, read)
            if number == 0:
                x = self.after_first_layer(x, embedded, inputs, read)
        return x

    def after_first_layer(self, x: str, embedded: str, inputs: Inputs, at: str) -> str:
        """The largest published models add a convolution of the embeddings here; at: see hidden_states."""
        width = self.config.integer("conv_kernel_size", least=0, most=WIDEST_KERNEL)
        return self._convolution(x, embedded, inputs, width, at) if width else x

    def position_product(self, prefix: str, kind: str) -> Product:
        """Key (c2p) or query (p2c) of a distance."""
        if self.config.flag("share_att_key"):
            query, key, _ = self.attention_products(prefix)
            return key if kind == "c2p" else query
        name = {"c2p": "pos_key_proj", "p2c": "pos_query_proj"}[kind]
        return self.product(f"{prefix}attention.self.{name}", self.sizes.hidden, self.sizes.hidden)

    def relative_embeddings(self, span: int) -> Array:
        """(2 * span, hidden): one row for each distance."""
        hidden = self.sizes.hidden
        rows = self.weights.body("encoder.rel_embeddings.weight", 2 * span, hidden)
        if "layer_norm" not in _words(self.config.entry("norm_rel_ebd")[1]):
            return rows
        exact = rows.astype(np.float64)
        centred = exact - exact.mean(axis=1, keepdims=True)
        centred /= np.sqrt((centred**2).mean(axis=1, keepdims=True) + self.sizes.norm_epsilon)
        scale, shift = (self.weights.body(f"encoder.LayerNorm.{part}", hidden) for part in ("weight", "bias"))
        normed: Array = (centred * scale + shift).astype(np.float32)
        return normed

    def embeddings(self, inputs: Inputs) -> str:
        """See PostNormBody."""
        graph, sizes, family = self.graph, self.sizes, self.family
        x = self.look_up(family.words, sizes.vocabulary, inputs.ids)
        if self.config.flag("position_biased_input"):
            table = "embeddings.position_embeddings.weight"
            x = graph.op("Add", x, self.look_up(table, sizes.positions, inputs.positions))
        if sizes.type_ids:
            types = self.look_up("embeddings.token_type_embeddings.weight", sizes.type_ids, inputs.type_ids)
            x = graph.op("Add", x, types)
        prefix = self.weights.prefix
        if sizes.embedding != sizes.hidden:
            x = self.exact_dense(x, prefix + family.embedding_projection, sizes.hidden, sizes.embedding, bias=False)
        return self.norm(x, prefix + family.embedding_norm, sizes.hidden)

    def attention(self, inputs: Inputs) -> Attention:
        """See PostNormBody."""
        blocks = Blocks(self, inputs)
        bias = blocks.shared(lambda: self.attention_bias(inputs))
        window, places = None, ""
        if self._distances is not None and {"c2p", "p2c"} & set(self._kinds):
            window = Window(self, inputs, self._distances)
            places = blocks.shared(partial(window.places, self.distances(inputs)), np.int32)

        def attend(x: str, prefix: str) -> str:
            query, key, value = self._heads(x, prefix)
            scores = self._scores(key, prefix, window)

            def block(begin: str) -> str:
                part = window.places(blocks.distances(begin)) if window else ""
                return self.mix(scores(blocks.queries(query, begin), part), value)

            return blocks.choose(
                lambda: block, lambda: self.mix(self.graph.op("Add", scores(query, places), bias), value)
            )

        return attend

    def _heads(self, x: str, prefix: str) -> tuple[str, str, str]:
        """Queries, scaled, keys and values as `by_heads` gives them."""
        products = self.attention_products(prefix)
        products[0] = _scaled(products[0], self._scale)
        return self.by_heads(*self.project(x, products))

    @property
    def _scale(self) -> np.float32:
        return np.float32((self.sizes.head_size * self.terms) ** -0.5)

    def _scores(self, key: str, prefix: str, window: Window | None) -> Callable[[str, str], str]:
        """From queries (lanes, heads, n, size) and their places to their scores (lanes, heads, n, W)."""
        graph, columns, found = self.graph, "", ""
        if window is not None and "c2p" in self._kinds:
            keys = self.position_product(prefix, "c2p")
            columns = self._columns(f"{prefix}distance_keys", keys, window, axis=2)
        if window is not None and "p2c" in self._kinds:
            queries = _scaled(self.position_product(prefix, "p2c"), self._scale)
            found = graph.op("MatMul", self._columns(f"{prefix}distance_queries", queries, window, axis=1), key)

        def scores(query: str, places: str) -> str:
            total = graph.op("MatMul", query, key)
            if columns:
                looked_up = graph.op("GatherElements", graph.op("MatMul", query, columns), places, axis=3)
                total = graph.op("Add", total, looked_up)
            return graph.op("Add", total, graph.op("GatherElements", found, places, axis=2)) if found else total

        return scores

    def _columns(self, name: str, product: Product, window: Window, *, axis: int) -> str:
        """The projections of this run's distances, along `axis`: (heads, head size, …) or (heads, …, head size)."""
        graph = self.graph
        assert self._distances is not None
        embedded = self.relative_embeddings(self._distances.span)
        rows = embedded @ product.weight.T + (0 if product.bias is None else product.bias)
        split = rows.reshape(len(rows), self.sizes.heads, -1).transpose((1, 2, 0) if axis == 2 else (1, 0, 2))
        table = graph.weight(name, lambda: split.astype(np.float32))
        return graph.op("Slice", table, window.begin, window.end, graph.constant(np.array([axis], np.int32)))

    def _convolution(self, x: str, embedded: str, inputs: Inputs, width: int, at: str) -> str:
        """LayerNorm of x plus the activated convolution of the embeddings, which never looks into a neighbour."""
        hidden = self.sizes.hidden
        groups = self.config.integer("conv_groups")
        self.config.refuse({"conv_kernel_size": tuple(range(1, width + 1, 2))})
        weight = self.weights.body("encoder.conv.conv.weight", hidden, hidden // groups, width)
        product = Product(
            "encoder.conv.conv", joined_kernel(weight, groups), self.weights.body("encoder.conv.conv.bias", hidden)
        )
        around = self.graph.op("Concat", *neighbours(self.graph, embedded, inputs, width), axis=1)
        (out,) = self.multiply(self.rows(around, at), [product], source="norm", at=at)
        out = self.activation(out, self.config.activation("conv_act"))
        return self.add_norm(out, x, "encoder.conv.LayerNorm")


class DebertaBody(DebertaV2Body):
    """The first DeBERTa: query, key and value in one matrix, distances without buckets."""

    harmless: ClassVar[Mapping[str, tuple[object, ...]]] = {"talking_head": (None, False)}

    @property
    def terms(self) -> int:
        """See DebertaV2Body; here, kinds that are not known count, too."""
        return 1 + len(self._kinds)

    def after_first_layer(self, x: str, embedded: str, inputs: Inputs, at: str) -> str:  # noqa: ARG002
        """Nothing."""
        return x

    def attention_products(self, prefix: str) -> list[Product]:
        """Query, key and value, which alternate from head to head in the matrix; the key has no bias."""
        sizes, name = self.sizes, f"{prefix}attention.self"
        packed = self.weights.body(f"{name}.in_proj.weight", 3 * sizes.hidden, sizes.hidden)
        parts = packed.reshape(sizes.heads, 3, sizes.head_size, sizes.hidden).transpose(1, 0, 2, 3)
        query, key, value = (np.ascontiguousarray(part.reshape(sizes.hidden, sizes.hidden)) for part in parts)
        return [
            Product(f"{name}.query", query, self.weights.body(f"{name}.q_bias", sizes.hidden)),
            Product(f"{name}.key", key, None),
            Product(f"{name}.value", value, self.weights.body(f"{name}.v_bias", sizes.hidden)),
        ]

    def position_product(self, prefix: str, kind: str) -> Product:
        """See DebertaV2Body."""
        name = {"c2p": "pos_proj", "p2c": "pos_q_proj"}[kind]
        hidden = self.sizes.hidden
        return self.product(f"{prefix}attention.self.{name}", hidden, hidden, bias=kind == "p2c")

    def relative_embeddings(self, span: int) -> Array:
        """See DebertaV2Body."""
        return self.weights.body("encoder.rel_embeddings.weight", 2 * span, self.sizes.hidden)


def _read_kinds(config: Config) -> tuple[str, ...]:
    """The kinds of products with distances: a list, or words with bars between them."""
    kinds = config.entry("pos_att_type")[1]
    return _words(kinds) if isinstance(kinds, str) else tuple(str(kind) for kind in kinds)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.lower().split("|"))


def _scaled(product: Product, scale: np.float32) -> Product:
    return Product(product.module, product.weight * scale, None if product.bias is None else product.bias * scale)
