"""A folder's files become a tokenizer: the one file that imports `tokenizers`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from naiad.core.encoder import EncoderSpec
from naiad.core.errors import LoadFailed
from naiad.tasks.text.document import BERT_TOKENS, ROBERTA_TOKENS, tokenizer_document
from naiad.tasks.text.settings import TokenizerSettings, read_settings
from naiad.tasks.text.tokenizer import Tokenizer

RARE_CHARACTER = "\U00013000"
"""A hieroglyph, in hardly any vocabulary: a tokenizer whose unknown token is missing fails on it, at load."""


def load_tokenizer(folder: Path, spec: EncoderSpec) -> Tokenizer:
    """Load the tokenizer in a checkpoint's folder: tokenizer.json, else vocabulary files of BERT or RoBERTa.

    Raises LoadFailed naming what is missing or wrong. Tokenising is kept on the calling thread unless the environment
    says otherwise (TOKENIZERS_PARALLELISM): the server has threads of its own, and a pool of one thread a core beside
    them slows both. The variable is the only switch that the library has.
    """
    from tokenizers import Tokenizer as RustTokenizer

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    settings = read_settings(folder, spec.max_tokens)
    path = folder / "tokenizer.json"
    document = None if path.is_file() else tokenizer_document(folder, settings)
    try:
        backend = RustTokenizer.from_file(str(path)) if document is None else RustTokenizer.from_str(document)
        _apply_flags(backend, settings)
        backend.encode(RARE_CHARACTER)
    except Exception as error:  # the library has no base class: it raises bare Exception for every fault in a file
        raise LoadFailed(f"the tokenizer in {folder} cannot be used: {error}", folder=str(folder)) from error
    settings = replace(settings, special_tokens=_special_tokens(backend, settings))
    return Tokenizer(backend, settings, spec.uses_type_ids)


def _special_tokens(backend: Any, settings: TokenizerSettings) -> dict[str, str]:
    """The special tokens that the files name; for roles they are silent on, the usual ones that the vocabulary has."""
    usual = ((role, token) for table in (ROBERTA_TOKENS, BERT_TOKENS) for role, token in table.items())
    present = {role: token for role, token in usual if backend.token_to_id(token) is not None}
    return {**present, **settings.special_tokens}


def _apply_flags(backend: Any, settings: TokenizerSettings) -> None:
    """Let the flags of tokenizer_config.json win over BERT's normalizer, as they do in transformers."""
    for flag, attribute in (
        ("do_lower_case", "lowercase"),
        ("strip_accents", "strip_accents"),
        ("tokenize_chinese_chars", "handle_chinese_chars"),
    ):
        if flag in settings.config and type(backend.normalizer).__name__ == "BertNormalizer":
            setattr(backend.normalizer, attribute, settings.config[flag])
