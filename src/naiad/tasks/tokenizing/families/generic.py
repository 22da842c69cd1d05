"""The class that takes tokenizer.json as it is; without one, a tokenizer.model of sentencepiece."""

from __future__ import annotations

from typing import Any

from naiad.tasks.tokenizing.declared.arguments import Arguments, content
from naiad.tasks.tokenizing.declared.names import GENERIC
from naiad.tasks.tokenizing.declared.sentencepiece import SentencePieceModel
from naiad.tasks.tokenizing.families.family import Family
from naiad.tasks.tokenizing.families.sentencepieces.steps import SPACE_MARK
from naiad.tasks.tokenizing.families.sentencepieces.unigrams import ALBERT_TOKENS

GENERIC_FAMILIES: dict[str, Family] = {
    GENERIC: Family("", ("tokenizer.model",), takes_file=True),
    "FNetTokenizer": Family("Unigram", ("spiece.model",), tokens=ALBERT_TOKENS, takes_file=True, type_ids=True),
}
"""Class → row."""


def make_generic(arguments: Arguments, model: SentencePieceModel) -> Any:
    """A tokenizer of a sentencepiece model, by its own settings."""
    from tokenizers import Tokenizer, decoders, normalizers
    from tokenizers.models import BPE, Unigram

    if isinstance(arguments.vocabulary, dict):
        _rename(arguments.vocabulary, arguments.added)
        rust = Tokenizer(
            BPE(
                vocab=arguments.vocabulary,
                merges=arguments.merges,
                unk_token=model.unknown_piece,
                fuse_unk=True,
                byte_fallback=model.byte_fallback,
            )
        )
    else:
        rust = Tokenizer(Unigram(arguments.vocabulary, unk_id=model.unknown_id, byte_fallback=model.byte_fallback))
    steps: list[Any] = [normalizers.Replace(" ", SPACE_MARK)]
    if arguments.charsmap:
        steps.insert(0, normalizers.Precompiled(arguments.charsmap))
    rust.normalizer = normalizers.Sequence(steps)
    ends = [decoders.ByteFallback(), decoders.Fuse()] if model.byte_fallback else []
    rust.decoder = decoders.Sequence([decoders.Replace(SPACE_MARK, " "), *ends])
    for role, number, piece in (
        ("bos", model.begin_id, model.begin_piece),
        ("eos", model.end_id, model.end_piece),
        ("unk", model.unknown_id, model.unknown_piece),
    ):
        if number >= 0:
            arguments.options.setdefault(f"{role}_token", piece)
    return rust


def _rename(vocabulary: dict[str, int], added: dict[int, Any]) -> None:
    """Give placeholders the names that added_tokens_decoder has for their numbers."""
    tokens = {number: token for token, number in vocabulary.items()}
    for number, token in added.items():
        new, old = content(token), tokens.get(int(number))
        if old and old != new and new not in vocabulary:
            vocabulary[new] = vocabulary.pop(old)
            tokens[int(number)] = new
