"""What the files beside a tokenizer say: its longest input, its special tokens, its flags.

Pure reading of tokenizer_config.json, special_tokens_map.json and sentence_*_config.json. The tokenizer itself is
made in `tokenizer.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from naiad.tasks.checkpoint import read_object

LONGEST_SANE_INPUT = 1_000_000
"""Tokens; tokenizer configs without a limit of their own write 1e30."""

SPECIAL_TOKENS = ("mask", "pad", "cls", "sep", "unk", "bos", "eos")


@dataclass(frozen=True, slots=True)
class TokenizerSettings:
    """Everything about a tokenizer that tokenizer.json does not say."""

    max_tokens: int
    """Longest input, special tokens included: the least of what the files and the encoder say."""
    special_tokens: dict[str, str] = field(default_factory=dict)
    """By role (mask, pad, cls, sep, unk, bos, eos); roles that the files do not name are absent."""
    lowercases_first: bool = False
    """sentence_*_config.json asks for lower case before the tokenizer sees the text."""
    cleans_up_spaces: bool = False
    """Decoding removes the spaces before punctuation and English contractions."""
    config: dict[str, Any] = field(default_factory=dict)
    """tokenizer_config.json as it is."""


def read_settings(folder: Path, encoder_max_tokens: int) -> TokenizerSettings:
    """Read the files beside the tokenizer in `folder`. Raises LoadFailed for files that are not JSON objects."""
    config = read_object(folder / "tokenizer_config.json")
    sentence = _sentence_settings(folder)
    written = (config.get("model_max_length", config.get("max_len")), sentence.get("max_seq_length"))
    special = {**_special_tokens(read_object(folder / "special_tokens_map.json")), **_special_tokens(config)}
    return TokenizerSettings(
        max_tokens=min(encoder_max_tokens, *(_sane(limit) for limit in written)),
        special_tokens=special,
        lowercases_first=sentence.get("do_lower_case") is True,
        cleans_up_spaces=config.get("clean_up_tokenization_spaces") is True,
        config=config,
    )


def _sentence_settings(folder: Path) -> dict[str, Any]:
    """sentence_bert_config.json; older checkpoints name it after their architecture, sentence_roberta_config.json."""
    found = sorted(folder.glob("sentence_*_config.json"))
    return read_object(found[0]) if found else {}


def _sane(limit: object) -> int:
    """The limit, or the longest sane one where it is missing or means "none"."""
    if isinstance(limit, int | float) and 0 < limit < LONGEST_SANE_INPUT:
        return int(limit)
    return LONGEST_SANE_INPUT


def _special_tokens(document: dict[str, Any]) -> dict[str, str]:
    """Roles and tokens; a token is written as a string or as an object with `content`."""
    found: dict[str, str] = {}
    for role in SPECIAL_TOKENS:
        value = document.get(f"{role}_token")
        if isinstance(value, dict):
            value = value.get("content")
        if isinstance(value, str):
            found[role] = value
    return found
