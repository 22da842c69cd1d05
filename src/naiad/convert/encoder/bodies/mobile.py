"""MobileBERT: words in threes, and layers that work in a bottleneck, with several feed-forwards each.

Its norms only scale and shift, unless config.json says that they are LayerNorms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from naiad.convert.encoder.bodies.body import Body, BodyParts, Inputs
from naiad.convert.encoder.bodies.parts.neighbours import neighbours
from naiad.convert.encoder.bodies.parts.reading import read_of_layers
from naiad.convert.encoder.families.architecture import Classifier
from naiad.core.tensor import Array

USUAL_EPSILON = 1e-5
"""The epsilon of LayerNorms that transformers makes without the one in config.json."""


class MobileBody(Body):
    """MobileBERT's body."""

    def __init__(self, *parts: *BodyParts) -> None:
        """See Body."""
        super().__init__(*parts)
        config, sizes = self.config, self.sizes
        self._narrows = config.flag("use_bottleneck")
        self._width = config.integer("intra_bottleneck_size") if self._narrows else sizes.hidden
        config.refuse({"num_attention_heads": (None, *(n for n in range(1, self._width + 1) if self._width % n == 0))})
        self.sizes = replace(sizes, head_size=self._width // sizes.heads)
        self._is_scaled = config.choice("normalization_type", {"no_norm": "scale", "layer_norm": "norm"}) == "scale"

    @property
    def classifier(self) -> Classifier:
        """The family's; without its dense module if config.json says so."""
        found = super().classifier
        return found if self.config.flag("classifier_activation") else replace(found, dense="")

    def last_states(self, inputs: Inputs, at: str) -> str:
        """See Body."""
        x, bias = self._embeddings(inputs), self.attention_bias(inputs)
        prefixes = [self.family.layer.format(layer=layer) + "." for layer in range(self.sizes.layers)]
        for layer, read in read_of_layers(prefixes, at):
            x = self._layer(x, layer, bias, read)
        return x

    def _embeddings(self, inputs: Inputs) -> str:
        """Each word beside the next and the one before, projected, with positions and types; (T, hidden)."""
        graph, sizes, prefix = self.graph, self.sizes, self.weights.prefix
        x, width = self.look_up(self.family.words, sizes.vocabulary, inputs.ids), sizes.embedding
        if self.config.flag("trigram_input"):
            x, width = graph.op("Concat", *reversed(neighbours(graph, x, inputs, 3)), axis=1), 3 * width
        if width != sizes.hidden or self.config.flag("trigram_input"):
            x = self.exact_dense(x, prefix + self.family.embedding_projection, sizes.hidden, width)
        for name, rows, ids in (
            ("position", sizes.positions, inputs.positions),
            ("token_type", sizes.type_ids, inputs.type_ids),
        ):
            if rows:
                table = self.table(f"embeddings.{name}_embeddings.weight", rows, sizes.hidden)
                x = graph.op("Add", x, graph.op("Gather", table, ids))
        return self._norm(x, self.family.embedding_norm, sizes.hidden, USUAL_EPSILON)

    def _layer(self, x: str, prefix: str, bias: str, at: str) -> str:
        narrow, asked, valued = self._bottleneck(x, prefix) if self._narrows else (x, x, x)
        attended = self.rows(self._attention(asked, valued, prefix, bias), at)
        output = f"{prefix}attention.output"
        (inner,) = self.dense(attended, [f"{output}.dense"], self._width, self._width, source="attention", at=at)
        inner = self._add_norm(inner, self.rows(narrow, at), output)
        for number in range(self.config.integer("num_feedforward_networks") - 1):
            inner = self._feed_forward(inner, f"{prefix}ffn.{number}.", at)
        inner = self._feed_forward(inner, prefix, at, USUAL_EPSILON)
        if not self._narrows:
            return inner
        module, hidden = f"{prefix}output.bottleneck", self.sizes.hidden
        (wide,) = self.dense(inner, [f"{module}.dense"], hidden, self._width, source="norm", at=at)
        return self._norm(self.graph.op("Add", wide, self.rows(x, at)), f"{module}.LayerNorm", hidden)

    def _bottleneck(self, x: str, prefix: str) -> tuple[str, str, str]:
        """What the layer adds to, (T, width), and what queries and keys and what values are made of."""
        module, hidden = f"{prefix}bottleneck", self.sizes.hidden
        parts = ["input", *(["attention"] if self.config.flag("key_query_shared_bottleneck") else [])]
        narrow = self.dense(x, [f"{module}.{part}.dense" for part in parts], self._width, hidden, source="norm")
        normed = [
            self._norm(y, f"{module}.{part}.LayerNorm", self._width) for part, y in zip(parts, narrow, strict=True)
        ]
        if self.config.flag("use_bottleneck_attention"):
            return normed[0], normed[0], normed[0]
        return normed[0], normed[1] if len(parts) > 1 else x, x

    def _attention(self, asked: str, valued: str, prefix: str, bias: str) -> str:
        sizes, name = self.sizes, f"{prefix}attention.self"
        takes_all = self._narrows and not self.config.flag("use_bottleneck_attention")
        value = self.values(self.product(f"{name}.value", self._width, sizes.hidden if takes_all else self._width))
        query, key = self.dense(asked, [f"{name}.query", f"{name}.key"], self._width, self._width, source="norm")
        (values,) = self.multiply(valued, [value], source="norm")
        return self.attend(query, key, values, bias)

    def _feed_forward(self, x: str, prefix: str, at: str, epsilon: float | None = None) -> str:
        width, inner, activation = self._width, self.sizes.intermediate, self.sizes.activation
        (y,) = self.dense(x, [f"{prefix}intermediate.dense"], inner, width, source="norm", at=at)
        y = self.activation(y, activation)
        (y,) = self.dense(y, [f"{prefix}output.dense"], width, inner, source=activation, at=at)
        return self._add_norm(y, x, f"{prefix}output", epsilon)

    def _add_norm(self, x: str, residual: str, module: str, epsilon: float | None = None) -> str:
        return self._norm(self.graph.op("Add", x, residual), f"{module}.LayerNorm", self._width, epsilon)

    def _norm(self, x: str, module: str, width: int, epsilon: float | None = None) -> str:
        """Scale and shift, or a LayerNorm; epsilon None: config.json's."""
        graph, name = self.graph, self.weights.prefix + module
        scale, shift = (
            graph.weight(f"{name}.{part}", self._reader(f"{name}.{part}", width)) for part in ("weight", "bias")
        )
        if self._is_scaled:
            return graph.op("Add", graph.op("Mul", x, scale), shift)
        epsilon = self.sizes.norm_epsilon if epsilon is None else epsilon
        return graph.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=epsilon)

    def _reader(self, name: str, width: int) -> Callable[[], Array]:
        return lambda: self.weights.get(name, width)
