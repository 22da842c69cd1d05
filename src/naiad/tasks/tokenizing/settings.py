"""What the files beside a tokenizer say of its use: its longest input, which end is cut, whether decoding tidies up.

Pure reading of sentence_*_config.json and of the options of tokenizer_config.json. What the former says beyond that is
obeyed or refused by name, never passed over (`transformer_keys.py`). What splits text is made in `families/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from naiad.core.errors import LoadFailed
from naiad.repository.checkpoint import read_config, read_transformer_settings
from naiad.tasks.tokenizing.transformer_keys import has_safetensors, kind_length, refuse_keys, text_max_length

LONGEST_SANE_INPUT = 1_000_000
"""Tokens; tokenizer configs without a limit of their own write 1e30."""


@dataclass(frozen=True, slots=True)
class SentenceSettings:
    """What sentence-transformers adds to a tokenizer."""

    max_seq_length: object = None
    """Longest input; wins over the tokenizer's own."""
    max_length: int | None = None
    """Longest input that wins over everything else."""
    kind_lengths: Mapping[str, int] = field(default_factory=dict)
    """Longest input of texts that are said to be of one kind, `query` or `document`."""
    expands_queries: bool = False
    """Queries are filled up with more tokens."""
    lowercases: bool = False
    """Text is made lower case before anything else."""
    overrides: dict[str, Any] = field(default_factory=dict)
    """Options that win over tokenizer_config.json."""


@dataclass(frozen=True, slots=True)
class TokenizerSettings:
    """How a tokenizer is used; what it does to text is its own."""

    max_tokens: int
    """Longest input, special tokens included."""
    special_tokens: dict[str, str] = field(default_factory=dict)
    """Keyed by role (mask, pad, cls, sep, unk, bos, eos); roles without a token are absent."""
    cuts_left: bool = False
    """Whether a text that is too long loses its beginning instead of its end."""
    cleans_up_spaces: bool = False
    """Decoding removes the spaces before punctuation and English contractions."""
    gives_type_ids: bool = False
    """Whether the encoder is told which half of a pair a token is of."""
    reads_whole: bool = False
    """Whether words depend on the whole text, so that a part of it may not be tokenised instead."""
    odd_to_first: bool = False
    """Whether the first half of a pair keeps one token more where both are cut; else the longer half does."""


def read_sentence_settings(folder: Path) -> SentenceSettings:
    """Read the settings of sentence-transformers, empty where there are none.

    Raises LoadFailed for what makes no sense, Unsupported naming a key that changes answers and is not obeyed.
    """
    values = read_transformer_settings(folder)
    refuse_keys(folder, values, read_config(folder) if has_safetensors(folder) else None)
    overrides = values.get("processor_kwargs") or values.get("tokenizer_args") or {}
    if not isinstance(overrides, dict):
        raise LoadFailed(f"{folder}: the tokenizer's arguments in sentence_bert_config.json must be an object")
    max_length = text_max_length(values)
    lengths = {kind: kind_length(values, kind) for kind in ("query", "document")} if max_length is None else {}
    return SentenceSettings(
        max_seq_length=values.get("max_seq_length"),
        max_length=max_length,
        kind_lengths={kind: length for kind, length in lengths.items() if length is not None},
        expands_queries=bool(values.get("query_expansion")),
        lowercases=values.get("do_lower_case") is True,
        overrides=overrides,
    )


def longest_input(sentence: SentenceSettings, options: Mapping[str, Any], otherwise: int | None, encoder: int) -> int:
    """Tokens of the longest input: one rule for all checkpoints.

    What sentence-transformers says wins over the tokenizer's `model_max_length` (formerly `max_len`), that over the
    class's own; never more than the encoder has positions for. Raises LoadFailed for what is not a number.
    """
    written = sentence.max_length
    if written is None:
        written = sentence.overrides.get("model_max_length", sentence.max_seq_length)
    if written is None:
        written = options.get("model_max_length", options.get("max_len", otherwise))
    return min(encoder, _sane(written))


def truncation_side(options: Mapping[str, Any], folder: Path) -> str:
    """Which end of a long text goes, left or right. Raises LoadFailed for anything else."""
    side = options.get("truncation_side", "right")
    if side not in ("left", "right"):
        raise LoadFailed(f"{folder / 'tokenizer_config.json'}: truncation_side is {side!r}, left or right is expected")
    return str(side)


def _sane(limit: object) -> int:
    """The limit, or the longest sane one where it is missing or means "none"."""
    if limit is None:
        return LONGEST_SANE_INPUT
    if isinstance(limit, bool) or not isinstance(limit, int | float):
        raise LoadFailed(
            f"the longest input is {limit!r}, a number is expected: fix max_seq_length in sentence_bert_config.json "
            "or model_max_length in tokenizer_config.json"
        )
    return int(limit) if 1 <= limit < LONGEST_SANE_INPUT else LONGEST_SANE_INPUT
