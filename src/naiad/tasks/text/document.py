"""Tokenizers for checkpoints without tokenizer.json: the same document, written from the vocabulary files.

BERT and its kin have vocab.txt (one token a line), RoBERTa and its kin vocab.json and merges.txt. Anything else,
such as a sentencepiece model alone, is refused by name. Pure: gives text that `tokenizer.py` hands to the library.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from naiad.core.errors import LoadFailed
from naiad.tasks.checkpoint import read_object
from naiad.tasks.text.settings import TokenizerSettings

BERT_TOKENS = {"unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "cls": "[CLS]", "mask": "[MASK]"}
ROBERTA_TOKENS = {
    "unk": "<unk>", "sep": "</s>", "pad": "<pad>", "cls": "<s>", "mask": "<mask>", "bos": "<s>", "eos": "</s>",
}  # fmt: skip


def tokenizer_document(folder: Path, settings: TokenizerSettings) -> str:
    """JSON of tokenizer.json for the vocabulary files in `folder`.

    Raises LoadFailed where they are missing or damaged.
    """
    if (folder / "vocab.txt").is_file():
        return json.dumps(_bert_document(folder, settings))
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return json.dumps(_roberta_document(folder, settings))
    raise LoadFailed(
        f"{folder} has no tokenizer: tokenizer.json is missing, and so are vocab.txt (BERT) and vocab.json with "
        "merges.txt (RoBERTa); save it with transformers' AutoTokenizer(...).save_pretrained to get tokenizer.json",
        folder=str(folder),
    )


def _bert_document(folder: Path, settings: TokenizerSettings) -> dict[str, Any]:
    vocabulary = {token: index for index, token in enumerate(_lines(folder / "vocab.txt"))}
    tokens = {**BERT_TOKENS, **settings.special_tokens}
    flags = settings.config
    cls, sep = (_special(tokens[role], vocabulary, folder) for role in ("cls", "sep"))
    frame: dict[str, Any] = {"type": "BertProcessing", "sep": sep, "cls": cls}
    if tokens["cls"] == ROBERTA_TOKENS["cls"]:  # MPNet: BERT's words in RoBERTa's frame
        frame = {**frame, "type": "RobertaProcessing", "trim_offsets": False, "add_prefix_space": False}
    return {
        "version": "1.0",
        "added_tokens": _added(tokens, vocabulary),
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": flags.get("tokenize_chinese_chars", True),
            "strip_accents": flags.get("strip_accents"),
            "lowercase": flags.get("do_lower_case", True),
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": frame,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": tokens["unk"],
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    }


def _roberta_document(folder: Path, settings: TokenizerSettings) -> dict[str, Any]:
    vocabulary = read_object(folder / "vocab.json")
    tokens = {**ROBERTA_TOKENS, **settings.special_tokens}
    prefix_space = settings.config.get("add_prefix_space", False)
    cls, sep = (_special(tokens[role], vocabulary, folder) for role in ("cls", "sep"))
    byte_level = {"type": "ByteLevel", "add_prefix_space": prefix_space, "trim_offsets": True, "use_regex": True}
    merges = [line for line in _lines(folder / "merges.txt") if line and not line.startswith("#version")]
    return {
        "version": "1.0",
        "added_tokens": _added(tokens, vocabulary, swallows_space="mask"),
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": sep,
            "cls": cls,
            "trim_offsets": True,
            "add_prefix_space": prefix_space,
        },
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "vocab": vocabulary,
            "merges": merges,
        },
    }


def _lines(path: Path) -> list[str]:
    """Lines of a vocabulary file; only a line feed ends one, because vocabularies hold odd characters as tokens."""
    try:
        lines = path.read_bytes().decode().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise LoadFailed(f"cannot read {path}: {error}", path=str(path)) from error
    lines = [line.removesuffix("\r") for line in lines]
    return lines[:-1] if lines and not lines[-1] else lines


def _special(token: str, vocabulary: dict[str, int], folder: Path) -> tuple[str, int]:
    if token not in vocabulary:
        raise LoadFailed(f"the vocabulary in {folder} has no special token {token}", folder=str(folder))
    return token, vocabulary[token]


def _added(tokens: dict[str, str], vocabulary: dict[str, int], swallows_space: str = "") -> list[dict[str, Any]]:
    """Entries for the special tokens of the vocabulary, by number; the mask of RoBERTa takes the space before it."""
    stripped = tokens.get(swallows_space)
    known = sorted({token for token in tokens.values() if token in vocabulary}, key=lambda token: vocabulary[token])
    return [
        {
            "id": vocabulary[token],
            "content": token,
            "single_word": False,
            "lstrip": token == stripped,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for token in known
    ]
