"""The sizes and options of one encoder, read from its config.json and checked.

Not here: weight names (`architectures.py`) and the number of labels, which the weights themselves tell (`heads/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from naiad.convert.encoder.architectures import ACTIVATIONS, DEFAULTS, Architecture
from naiad.core.errors import InvalidConfiguration, Unsupported

_REFUSED: dict[str, tuple[object, ...]] = {
    "position_embedding_type": (None, "absolute"),
    "is_decoder": (None, False),
    "add_cross_attention": (None, False),
    "pruned_heads": (None, {}),
}
"""Options of config.json that change the computation, and the values under which they do not."""


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Sizes of one encoder."""

    hidden: int
    heads: int
    layers: int
    intermediate: int
    embedding: int
    """Width of the embedding tables; the hidden size unless the family projects it."""
    vocabulary: int
    positions: int
    """Rows of the position table."""
    type_ids: int
    """Rows of the type table; 0 without one."""
    groups: int
    inner: int
    """Layers share weights: `groups` sets of `inner` layers each (ALBERT); 1 and 1 elsewhere."""
    relative_buckets: int
    activation: str
    norm_epsilon: float
    position_offset: int
    pad_token_id: int

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads

    @property
    def max_tokens(self) -> int:
        """Longest sequence the position table allows."""
        return self.positions - self.position_offset


def read_dimensions(config: Mapping[str, Any], family: Architecture) -> Dimensions:
    """Sizes from a config.json's content; what it leaves out has the family's default.

    Raises Unsupported for options that the graph does not compute, InvalidConfiguration for impossible sizes.
    """
    for option, harmless in _REFUSED.items():
        if config.get(option) not in harmless:
            raise Unsupported(
                f"config.json: {option}={config[option]!r} is not converted by Naiad itself; export the model with "
                "optimum-cli to ONNX and serve that folder",
                option=option,
            )
    get = _Reader(config, family)
    padding = family.padding_index
    pad_token_id = get.integer("pad_token_id", least=0)
    dimensions = Dimensions(
        hidden=get.integer("hidden_size"),
        heads=get.integer("num_attention_heads"),
        layers=get.integer("num_hidden_layers"),
        intermediate=get.integer("intermediate_size"),
        embedding=get.integer("embedding_size") if family.embedding_projection else get.integer("hidden_size"),
        vocabulary=get.integer("vocab_size"),
        positions=get.integer("max_position_embeddings"),
        type_ids=get.integer("type_vocab_size", least=0) if family.has_type_ids else 0,
        groups=get.integer("num_hidden_groups"),
        inner=get.integer("inner_group_num"),
        relative_buckets=get.integer("relative_attention_num_buckets"),
        activation=get.activation(),
        norm_epsilon=get.number("layer_norm_eps"),
        position_offset=0 if padding is None else (pad_token_id if padding < 0 else padding) + 1,
        pad_token_id=pad_token_id,
    )
    _check(dimensions)
    return dimensions


def _check(dimensions: Dimensions) -> None:
    if dimensions.hidden % dimensions.heads:
        raise InvalidConfiguration(
            f"config.json: hidden_size {dimensions.hidden} is not a multiple of num_attention_heads {dimensions.heads}"
        )
    if dimensions.max_tokens < 1:
        raise InvalidConfiguration(
            f"config.json: max_position_embeddings {dimensions.positions} leaves no position for a token: "
            f"they begin at {dimensions.position_offset}"
        )


class _Reader:
    """config.json with the family's spelling and defaults."""

    def __init__(self, config: Mapping[str, Any], family: Architecture) -> None:
        self._config = config
        self._family = family

    def integer(self, name: str, least: int = 1) -> int:
        key, value = self._value(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidConfiguration(f"config.json: {key} is {value!r}, not a whole number of at least {least}")
        return value

    def number(self, name: str) -> float:
        key, value = self._value(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise InvalidConfiguration(f"config.json: {key} is {value!r}, not a positive number")
        return float(value)

    def activation(self) -> str:
        key, value = self._value("hidden_act")
        if not isinstance(value, str) or value not in ACTIVATIONS:
            raise Unsupported(
                f"config.json: {key}={value!r} is not converted by Naiad itself; known: {', '.join(ACTIVATIONS)}",
                option=key,
            )
        return ACTIVATIONS[value]

    def _value(self, name: str) -> tuple[str, Any]:
        key = self._family.spelling.get(name, name)
        value = self._config.get(key)
        if value is None:
            value = self._family.defaults.get(name, DEFAULTS[name])
        return key, value
