"""A tokenizer's files as they lie on the Hub: the vocabulary, tokenizer_config.json, tokenizer.json where published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from published.row import Vocabulary

from making.merges import write_byte_level, write_byte_word_ends, write_fastbpe, write_word_ends
from making.modernbert import write_modernbert
from making.sentencepieces import write_sentencepiece
from making.wordpiece import write_wordpiece

Write = Callable[[Path, Vocabulary], None]


def _wordpiece(folder: Path, vocabulary: Vocabulary) -> None:
    write_wordpiece(folder, vocabulary.size, cased=vocabulary.cased)


def _byte_level(folder: Path, vocabulary: Vocabulary) -> None:
    write_byte_level(folder, vocabulary.size)


def _deberta_bytes(folder: Path, vocabulary: Vocabulary) -> None:
    """RoBERTa's pieces under other special tokens."""
    write_byte_level(folder, vocabulary.size, specials=("[PAD]", "[CLS]", "[SEP]", "[UNK]"), mask="[MASK]")


def _clip(folder: Path, vocabulary: Vocabulary) -> None:
    """Bytes, the same at a word's end, merges, and two special tokens behind."""
    write_byte_word_ends(folder, vocabulary.size, ("<|startoftext|>", "<|endoftext|>"))


def _xlm_roberta(folder: Path, vocabulary: Vocabulary) -> None:
    """Two tokens less than the tokenizer has: <pad> and <mask> are added to those of the model file."""
    write_sentencepiece(folder / "sentencepiece.bpe.model", vocabulary.size - 2)


def _camembert(folder: Path, vocabulary: Vocabulary) -> None:
    """Five less: fairseq's four special tokens come before, <mask> behind."""
    write_sentencepiece(folder / "sentencepiece.bpe.model", vocabulary.size - 5)


def _albert(folder: Path, vocabulary: Vocabulary) -> None:
    controls = {"pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1, "control_symbols": ["[CLS]", "[SEP]", "[MASK]"]}
    write_sentencepiece(folder / "spiece.model", vocabulary.size, controls=controls)


def _deberta(folder: Path, vocabulary: Vocabulary) -> None:
    """One less: [MASK] is added behind."""
    controls = {
        "pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3,
        "pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]",
    }  # fmt: skip
    write_sentencepiece(folder / "spm.model", vocabulary.size - 1, controls=controls)


def _t5(folder: Path, vocabulary: Vocabulary) -> None:
    """A hundred less: <extra_id_0> and so on are added behind."""
    controls = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
    write_sentencepiece(folder / "spiece.model", vocabulary.size - 100, controls=controls)


KINDS: dict[str, Write] = {
    "wordpiece": _wordpiece,
    "byte-level": _byte_level,
    "deberta": _deberta_bytes,
    "clip": _clip,
    "xlm-roberta": _xlm_roberta,
    "camembert": _camembert,
    "albert": _albert,
    "deberta-v2": _deberta,
    "t5": _t5,
    "herbert": lambda folder, vocabulary: write_word_ends(folder, vocabulary.size),
    "fastbpe": lambda folder, vocabulary: write_fastbpe(folder, vocabulary.size),
    "modernbert": lambda folder, vocabulary: write_modernbert(folder, vocabulary.size),
}


def write_tokenizer(folder: Path, vocabulary: Vocabulary) -> None:
    """Write everything that belongs to the tokenizer into a folder that holds config.json already."""
    KINDS[vocabulary.kind](folder, vocabulary)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(vocabulary.config, ensure_ascii=False), encoding="utf-8")
    if vocabulary.has_json and not (folder / "tokenizer.json").exists():
        document = _backend_document(folder, vocabulary)
        document.update(vocabulary.state)
        (folder / "tokenizer.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def _backend_document(folder: Path, vocabulary: Vocabulary) -> dict[str, Any]:
    """tokenizer.json as transformers makes it from the vocabulary's own files."""
    import transformers

    name = vocabulary.made_by or vocabulary.config["tokenizer_class"]
    backend = getattr(transformers, name).from_pretrained(folder).backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    document: dict[str, Any] = json.loads(backend.to_str())
    return document
