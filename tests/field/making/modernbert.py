"""ModernBERT's tokenizer.json: byte-level BPE with NFC, special tokens behind the pieces, BERT's frame."""

from __future__ import annotations

import json
from pathlib import Path

from making.merges import byte_level_tokens

SPECIALS = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
FIRST_SPECIAL = 50280
"""Pieces before it, [unused…] behind the special tokens."""


def write_modernbert(folder: Path, size: int) -> None:
    """Write tokenizer.json; there are no other vocabulary files."""
    runs = ["|||IP_ADDRESS|||", "<|padding|>", *(" " * length for length in range(24, 1, -1)), "|||EMAIL_ADDRESS|||"]
    pieces, merges = byte_level_tokens(FIRST_SPECIAL - len(runs))
    plain = {"single_word": False, "lstrip": False, "rstrip": False}
    words = [*runs, *SPECIALS, *(f"[unused{at}]" for at in range(size - FIRST_SPECIAL - len(SPECIALS)))]
    first = FIRST_SPECIAL - len(runs)
    added = [
        {
            **plain,
            "id": first + at,
            "content": word,
            "normalized": word not in SPECIALS and word != "<|padding|>",
            "special": word in SPECIALS or word == "<|padding|>",
            "lstrip": word == "[MASK]",
        }
        for at, word in enumerate(words)
    ]
    numbers = {word: first + at for at, word in enumerate(words)}
    frame = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    frame += [{"SpecialToken": {"id": "[SEP]", "type_id": 0}}]
    pair = [*frame, {"Sequence": {"id": "B", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": byte_level,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": frame,
            "pair": pair,
            "special_tokens": {
                word: {"id": word, "ids": [numbers[word]], "tokens": [word]} for word in ("[CLS]", "[SEP]")
            },
        },
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {piece: number for number, piece in enumerate(pieces)},
            "merges": [list(pair) for pair in merges],
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
