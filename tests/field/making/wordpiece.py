"""Vocabularies of the WordPiece kind: BERT and what follows it."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from making.words import characters, distinct, minilm_vocabulary, pieces

BERT_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MPNET_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")


def write_wordpiece(folder: Path, size: int, *, cased: bool) -> None:
    """Write vocab.txt: of BERT's own size, uncased, BERT's own; of MPNet's, the same with other special tokens."""
    if size == 30522 and not cased:
        vocabulary = list(minilm_vocabulary())
    elif size == 30527:
        vocabulary = [*MPNET_SPECIALS, *minilm_vocabulary(), "<mask>"]
    else:
        continued = (f"##{char}" for char in characters())
        endless = chain.from_iterable((piece, f"##{piece}") for piece in pieces(cased=cased))
        vocabulary = distinct(size, BERT_SPECIALS, characters(), continued, endless)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
