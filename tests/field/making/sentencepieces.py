"""Vocabularies of the sentencepiece kind: a real, small model is trained, then filled up to the published size.

Training makes the parts that matter (the normaliser's table, control symbols, scores); the pieces that are added after
it are words that the trained part did not keep, so texts are cut as a vocabulary of that size would cut them.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from asking.texts import EVERY_TEXT

from making.words import characters, is_unknown, pieces, words


def write_sentencepiece(
    path: Path, size: int, *, normalization: str = "nmt_nfkc", controls: dict[str, Any] | None = None
) -> None:
    """Write a unigram model with `size` pieces. controls: trainer arguments that place the control symbols."""
    import sentencepiece
    from sentencepiece.sentencepiece_model_pb2 import ModelProto

    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_sentences()),
        model_writer=trained,
        vocab_size=1200,
        model_type="unigram",
        normalization_rule_name=normalization,
        character_coverage=1.0,
        required_chars="".join(characters()),
        hard_vocab_limit=False,
        minloglevel=2,
        num_threads=1,
        **(controls or {}),
    )
    model = ModelProto.FromString(trained.getvalue())
    known = {piece.piece for piece in model.pieces}
    score = min(piece.score for piece in model.pieces if piece.type == piece.NORMAL)
    for word in pieces(cased=True):
        if len(model.pieces) >= size:
            break
        for piece in (f"▁{word}", word):
            if piece not in known and len(model.pieces) < size:
                known.add(piece)
                score -= 1e-4
                model.pieces.add(piece=piece, score=score)
    model.trainer_spec.vocab_size = size
    path.write_bytes(model.SerializeToString())


def _sentences() -> list[str]:
    """What to train on: the probe texts, and common words in made-up order."""
    common = words()[:3000]
    lines = [" ".join(common[(line * 13 + at * 37) % len(common)] for at in range(12)) for line in range(400)]
    probes = ["".join(" " if char in "\x00\n" or is_unknown(char) else char for char in text) for text in EVERY_TEXT]
    return probes * 4 + lines
