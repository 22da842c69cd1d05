"""The sizes that every encoder has, read from its config.json and checked.

Not here: weight names (`families/`), options of one kind of body (`bodies/`) and the number of labels, which the
weights themselves tell (`heads/`).
"""

from __future__ import annotations

from dataclasses import dataclass

from naiad.convert.encoder.config import Config
from naiad.core.encoding.positions import LONGEST, read_positions
from naiad.core.errors import InvalidConfiguration

_REFUSED: dict[str, tuple[object, ...]] = {
    "is_decoder": (None, False),
    "add_cross_attention": (None, False),
    "pruned_heads": (None, {}),
}
"""Options of config.json that change the computation, and the values under which they do not."""


MOST_LAYERS = 1000


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Sizes of one encoder."""

    hidden: int
    heads: int
    head_size: int
    """Width of one attention head; all together need not be as wide as the hidden state (mT5)."""
    layers: int
    intermediate: int
    embedding: int
    """Width of the embedding tables; the hidden size unless the family projects it."""
    vocabulary: int
    positions: int
    """Rows of the position table, or how many positions the model was made for where it has none."""
    type_ids: int
    """Rows of the type table; 0 without one."""
    activation: str
    norm_epsilon: float
    position_offset: int
    pad_token_id: int

    @property
    def attention(self) -> int:
        """Width of all attention heads together."""
        return self.heads * self.head_size

    @property
    def max_tokens(self) -> int:
        """Longest text the position table allows."""
        return self.positions - self.position_offset


def read_dimensions(config: Config) -> Dimensions:
    """Sizes from a config.json; what it leaves out has the family's default.

    Raises Unsupported for options that the graph does not compute, InvalidConfiguration for impossible sizes.
    """
    config.refuse(_REFUSED)
    family = config.family
    hidden, heads = config.integer("hidden_size"), config.integer("num_attention_heads")
    own_head_size = "head_size" in family.spelling and config.entry("head_size")[1] is not None
    dimensions = Dimensions(
        hidden=hidden,
        heads=heads,
        head_size=config.integer("head_size") if own_head_size else hidden // heads,
        layers=config.integer("num_hidden_layers", most=MOST_LAYERS),
        intermediate=config.integer("intermediate_size"),
        embedding=config.integer("embedding_size" if family.embedding_projection else "hidden_size"),
        vocabulary=config.integer("vocab_size"),
        positions=config.integer("max_position_embeddings", most=LONGEST),
        type_ids=config.integer("type_vocab_size", least=0) if family.has_type_ids else 0,
        activation=config.activation(),
        norm_epsilon=config.number("layer_norm_eps"),
        position_offset=read_positions(config.content).offset,
        pad_token_id=config.integer("pad_token_id", least=0),
    )
    if not own_head_size and hidden % heads:
        raise InvalidConfiguration(
            f"config.json: hidden_size {hidden} is not a multiple of num_attention_heads {heads}"
        )
    _check(dimensions)
    return dimensions


def _check(dimensions: Dimensions) -> None:
    if dimensions.max_tokens < 1:
        raise InvalidConfiguration(
            f"config.json: max_position_embeddings {dimensions.positions} leaves no position for a token: "
            f"they begin at {dimensions.position_offset}"
        )
