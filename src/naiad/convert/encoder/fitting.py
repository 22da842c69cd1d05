"""config.json's numbers against what the weights' files hold, before anything is made of them.

A size that no weight has cannot be right, and a graph of a billion layers would take all memory until it is found that
the second one is missing. Not here: whether each weight has the shape that it should (`Weights.get`).
"""

from __future__ import annotations

from naiad.convert.encoder.config import Config
from naiad.convert.encoder.dimensions import Dimensions
from naiad.convert.encoder.weights import Weights
from naiad.core.errors import LoadFailed

HARMLESS = 2**16
"""A size up to here takes little to be found wrong where it matters, with the name of the weight."""


def check_sizes(config: Config, sizes: Dimensions, weights: Weights) -> None:
    """Raise LoadFailed for a large size that is longer than all axes of weights, and for more layers than weights."""
    longest = max(weights.longest_axis, HARMLESS)
    lengths = {
        "hidden_size": sizes.hidden,
        "intermediate_size": sizes.intermediate,
        "vocab_size": sizes.vocabulary,
        "num_attention_heads": sizes.attention,
        "type_vocab_size": sizes.type_ids,
    }
    for name, length in lengths.items():
        if length > longest:
            raise _too_much(config, name, f"the longest axis of any weight is {weights.longest_axis}")
    if not config.family.shares_layers and sizes.layers > weights.count:
        raise _too_much(config, "num_hidden_layers", f"there are {weights.count} weights in all")


def _too_much(config: Config, name: str, holds: str) -> LoadFailed:
    key, value = config.entry(name)
    return LoadFailed(f"config.json: {key} is {value}, which the weights do not fit: {holds}", key=key)
