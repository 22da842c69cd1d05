"""BART and mBART: an encoder and a decoder that read the same tokens, the decoder one place later.

Nothing is generated here: the decoder's last states are what classifiers read. Its attention looks back only, both
within a text and, unrestricted, at the encoder's states of the same text; so all of it packs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from naiad.convert.encoder.bodies.body import Body, BodyParts, Inputs
from naiad.convert.encoder.bodies.parts.reading import read_of_layers
from naiad.core.errors import InvalidConfiguration

UNUSED_POSITIONS = 2
"""Rows at the top of the position tables that no token has."""


class BartSide(Body):
    """What encoder and decoder have in common; by itself, the encoder."""

    side = "encoder"
    norm_first = False
    """Whether norms stand before attention and feed-forward, with one more at the end; else behind the residual sum."""

    def last_states(self, inputs: Inputs, at: str) -> str:
        """See Body."""
        x, bias = self.embed(inputs.ids, inputs), self.attention_bias(inputs)
        for prefix, read in read_of_layers(self.layer_prefixes(), at):
            x = self.attention_block(x, "", prefix + "self_attn", bias, read)
            x = self.feed_forward_block(x, prefix, read)
        return self.end(x)

    def layer_prefixes(self) -> list[str]:
        """Before the names of each layer's modules."""
        return [f"{self.side}.layers.{layer}." for layer in range(self.sizes.layers)]

    def embed(self, ids: str, inputs: Inputs) -> str:
        """(T, hidden)."""
        graph, sizes, weights, side = self.graph, self.sizes, self.weights, self.side
        x = graph.op("Gather", self._words(), ids)
        if self.config.flag("scale_embedding"):
            x = graph.op("Mul", x, graph.number(sizes.hidden**0.5))
        name, rows = f"{side}.embed_positions.weight", sizes.positions + UNUSED_POSITIONS
        table = graph.weight(name, lambda: weights.body(name, rows, sizes.hidden)[UNUSED_POSITIONS:])
        x = graph.op("Add", x, graph.op("Gather", table, inputs.positions))
        return self._norm(x, f"{side}.layernorm_embedding")

    def attention_block(self, x: str, memory: str, module: str, bias: str, at: str = "") -> str:
        """What x and its tokens attend to make: in `memory` (T, hidden), or in x itself where that is empty.

        at: see hidden_states.
        """
        hidden = self.sizes.hidden

        def attend(inner: str) -> str:
            query, key, value = (self.product(f"{module}.{name}_proj", hidden, hidden) for name in "qkv")
            if memory:
                value = self.values(value)
                (asked,) = self.multiply(inner, [query], source="norm")
                projected = (asked, *self.multiply(memory, [key, value], source="norm"))
            else:
                projected = self.project(inner, [query, key, value])
            mixed = self.rows(self.attend(projected[0], projected[1], projected[2], bias), at)
            return self.dense(mixed, [f"{module}.out_proj"], hidden, hidden, source="attention", at=at)[0]

        return self._block(x, f"{module}_layer_norm", attend, at)

    def feed_forward_block(self, x: str, prefix: str, at: str) -> str:
        """What x and its feed-forward make; at: see hidden_states."""
        hidden, inner, activation = self.sizes.hidden, self.sizes.intermediate, self.sizes.activation

        def feed(x: str) -> str:
            (y,) = self.dense(x, [prefix + "fc1"], inner, hidden, source="norm", at=at)
            y = self.activation(y, activation)
            return self.dense(y, [prefix + "fc2"], hidden, inner, source=activation, at=at)[0]

        return self._block(x, prefix + "final_layer_norm", feed)

    def end(self, x: str) -> str:
        """Apply the norm behind the last layer, where one stands there."""
        return self._norm(x, f"{self.side}.layer_norm") if self.norm_first else x

    def _block(self, x: str, norm: str, inner: Callable[[str], str], at: str = "") -> str:
        """The residual sum of x and what `inner` makes of it, and the norm; at: the rows that `inner` gives."""
        if self.norm_first:
            return self.graph.op("Add", self.rows(x, at), inner(self._norm(x, norm)))
        return self._norm(self.graph.op("Add", self.rows(x, at), inner(x)), norm)

    def _norm(self, x: str, module: str) -> str:
        return self.norm(x, self.weights.prefix + module, self.sizes.hidden)

    def _words(self) -> str:
        """The table of words, which both sides share unless config.json says that they do not."""
        own = f"{self.side}.embed_tokens.weight"
        names = ["shared.weight", own, "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"]
        if not self.config.flag("tie_word_embeddings"):
            names = [own, "shared.weight"]
        prefix = self.weights.prefix
        return self.table(
            next((name for name in names if self.weights.find(prefix + name)), own), self.sizes.vocabulary
        )


class BartBody(BartSide):
    """BART's decoder on top of its encoder."""

    side = "decoder"

    def __init__(self, *parts: *BodyParts) -> None:
        """See Body."""
        super().__init__(*parts)
        config, hidden, heads = self.config, self.sizes.hidden, self.config.integer("decoder_attention_heads")
        if hidden % heads:
            raise InvalidConfiguration(
                f"config.json: d_model {hidden} is not a multiple of decoder_attention_heads {heads}"
            )
        layers, intermediate = config.integer("decoder_layers"), config.integer("decoder_ffn_dim")
        self.sizes = replace(
            self.sizes, heads=heads, head_size=hidden // heads, layers=layers, intermediate=intermediate
        )
        self._encoder = BartSide(*parts)
        self._encoder.norm_first = self.norm_first

    @property
    def summary_token(self) -> int:
        """The end of the text."""
        return self.config.integer("eos_token_id", least=0)

    def last_states(self, inputs: Inputs, at: str) -> str:
        """See Body."""
        graph = self.graph
        memory = self._encoder.hidden_states(inputs)
        x = self.embed(self._shifted(inputs), inputs)
        inside = self.attention_bias(inputs)
        back = self.attention_bias(inputs, also=graph.op("LessOrEqual", self.distances(inputs), graph.integer(0)))
        for prefix, read in read_of_layers(self.layer_prefixes(), at):
            x = self.attention_block(x, "", prefix + "self_attn", back)
            x = self.attention_block(x, memory, prefix + "encoder_attn", inside, read)
            x = self.feed_forward_block(x, prefix, read)
        return self.end(x)

    def first_tokens(self, inputs: Inputs) -> str:
        """(n,): what the decoder reads first."""
        start = self.graph.integer(self.config.integer("decoder_start_token_id", least=0))
        return self.graph.op("Expand", start, self.graph.op("Shape", inputs.starts))

    def _shifted(self, inputs: Inputs) -> str:
        """(T,): each text one place later, its last token left out."""
        graph = self.graph
        before = graph.op("Slice", inputs.ids, graph.ints(0), graph.ints(-1), graph.ints(0))
        later = graph.op("Concat", graph.ints(0), before, axis=0)
        return graph.op("ScatterElements", later, inputs.starts, self.first_tokens(inputs), axis=0)


class MBartBody(BartBody):
    """mBART: norms stand first, and the decoder begins with the text's last token, its language."""

    norm_first = True

    def first_tokens(self, inputs: Inputs) -> str:
        """See BartBody; padding tokens in a text are not counted."""
        graph = self.graph
        same = graph.op("Equal", inputs.ids, graph.integer(self.sizes.pad_token_id))
        counted = graph.op("Where", same, graph.integer(0), graph.integer(1))
        zeros = graph.op("Expand", graph.integer(0), graph.op("Shape", inputs.starts))
        count = graph.op("ScatterElements", zeros, inputs.segments, counted, axis=0, reduction="add")
        last = graph.op(
            "Sub", graph.op("Add", inputs.starts, graph.op("Max", count, graph.integer(1))), graph.integer(1)
        )
        return graph.op("Gather", inputs.ids, last)
