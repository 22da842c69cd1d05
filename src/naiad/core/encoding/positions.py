"""How long a text an encoder takes, and where its positions begin, by its config.json.

Families spell the number in many ways, some have rows that no token may use, and some need no table at all: what they
name is then the length they were trained for. One function for all who ask: graphs of our own, exported files and
tokenizers. Not here: shorter limits that a tokenizer or sentence-transformers sets (`naiad.tasks.tokenizing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.core.json_values import shown

KEYS = (
    "n_positions",
    "n_ctx",
    "max_sequence_length",
    "max_position_embeddings",
    "max_encoder_position_embeddings",
    "max_seq_length",
    "max_seq_len",
    "seq_length",
    "max_trained_positions",
)
"""Spellings, the one that counts first: NomicBERT gives n_positions beside the fewer that it was trained with."""

USUAL = {
    "": 512, "bart": 1024, "mbart": 1024, "led": 16384, "gpt2": 1024, "big_bird": 4096, "yoso": 4096, "canine": 16384,
    "roformer": 1536, "xlm-roberta-xl": 514, "esm": 1026, "nomic_bert": 2048, "new": 2048, "modernbert": 8192,
    "eurobert": 8192, "jina_embeddings_v3": 8194, "deberta": 512, "deberta-v2": 512,
}  # fmt: skip
"""What transformers means where config.json is silent; "" for families that are not here."""

LONGEST = 2**20
"""Tokens, whatever a config.json names: what is computed for every position must fit into memory."""

UNBOUNDED = 8192
"""For families without any number: attention costs the square of the length, so there is a limit all the same."""

_AFTER_PADDING = {
    "roberta": 1, "xlm-roberta": 1, "xlm-roberta-xl": 1, "camembert": 1, "roberta-prelayernorm": 1, "xmod": 1,
    "longformer": 1, "ibert": 1, "data2vec-text": 1, "luke": 1, "layoutlmv3": 1, "lilt": 0, "markuplm": 0, "esm": 1,
}  # fmt: skip
"""Families whose first token stands behind the padding's row → their pad_token_id where config.json has none."""

_FIXED_OFFSET = {"mpnet": 2, "ernie_m": 2}
"""Families whose positions begin at a number of their own, within the rows that config.json counts."""

_RELATIVE = frozenset({"t5", "mt5", "umt5", "longt5", "switch_transformers", "xlnet", "transfo-xl"})
"""Relative positions in buckets, no number that means anything (T5's n_positions is a leftover)."""

_COMPUTED = frozenset({"modernbert", "nomic_bert", "new", "gte", "eurobert", "neobert", "jina_embeddings_v3", "funnel"})
"""Rotary or relative positions, which are computed for any length."""

_COMPUTED_TYPES = frozenset({"rotary", "rope", "alibi"})
"""Values of position_embedding_type under which no table of positions is looked into."""

_ROTARY_KEYS = ("rope_theta", "rope_parameters", "rope_scaling", "rotary_emb_base", "rotary_emb_fraction")


@dataclass(frozen=True, slots=True)
class Positions:
    """The positions of one encoder."""

    longest: int
    """Tokens of the longest text, special ones included."""
    offset: int = 0
    """Position of the first token."""


def read_positions(config: Mapping[str, Any]) -> Positions:
    """Read a config.json's content. Raises InvalidConfiguration where it leaves no position for a token."""
    family = str(config.get("model_type"))
    if family in _RELATIVE:
        return Positions(UNBOUNDED)
    key, rows = next(
        ((key, config[key]) for key in KEYS if _is_size(config.get(key))), ("", USUAL.get(family, USUAL[""]))
    )
    if rows > LONGEST:
        raise InvalidConfiguration(f"config.json: {key} is {shown(rows)}, more than {LONGEST}, the most there can be")
    if _is_computed(config, family):
        return Positions(rows if key or family in USUAL else UNBOUNDED)
    offset = _offset(config, family)
    if rows <= offset:
        raise InvalidConfiguration(
            f"config.json: {key} {rows} leaves no position for a token, because positions begin at {offset}", key=key
        )
    return Positions(rows - offset, offset)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_computed(config: Mapping[str, Any], family: str) -> bool:
    kind = config.get("position_embedding_type")
    if isinstance(kind, str):
        return kind in _COMPUTED_TYPES
    if family in ("deberta", "deberta-v2"):
        return config.get("position_biased_input") is False
    return family in _COMPUTED or config.get("alibi") is True or any(config.get(key) for key in _ROTARY_KEYS)


def _offset(config: Mapping[str, Any], family: str) -> int:
    if family not in _AFTER_PADDING:
        return _FIXED_OFFSET.get(family, 0)
    padding = config.get("pad_token_id")
    is_given = isinstance(padding, int) and not isinstance(padding, bool) and padding >= 0
    return 1 + (int(str(padding)) if is_given else _AFTER_PADDING[family])
