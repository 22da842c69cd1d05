"""How classes number the pieces of a sentencepiece model: fairseq's extra tokens in front, language codes behind.

Only for checkpoints without tokenizer.json, whose vocabulary has these numbers already. Each takes the arguments with
the model's own vocabulary and gives that of the class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from naiad.tasks.tokenizing.declared.arguments import Arguments, content
from naiad.tasks.tokenizing.families.family import Named
from naiad.tasks.tokenizing.families.sentencepieces.languages import MBART50_LANGUAGES, MBART_LANGUAGES

Scored = list[tuple[str, float]]


def fairseq(first: str = "bos", languages: Iterable[str] = ()) -> Callable[[Arguments, Named], Scored]:
    """XLM-RoBERTa and mBART: four special tokens for the model's first three, the mask last."""

    def number(arguments: Arguments, named: Named) -> Scored:
        front = _special(named, first, "pad", "eos", "unk")
        return [*front, *arguments.vocabulary[3:], *((code, 0.0) for code in languages), *_special(named, "mask")]

    return number


def camembert(arguments: Arguments, named: Named) -> Scored:
    """CamemBERT: five tokens for the model's first, the mask last."""
    pad, unknown = _special(named, "pad", "unk")
    front = [("<s>NOTUSED", 0.0), pad, ("</s>NOTUSED", 0.0), unknown, ("<unk>NOTUSED", -100.0)]
    return [*front, *arguments.vocabulary[1:], *_special(named, "mask")]


def t5(arguments: Arguments, _named: Named) -> Scored:
    """T5: the sentinels behind, last one first."""
    return [*arguments.vocabulary, *((token, 0.0) for token in reversed(sentinels(arguments)))]


def nllb(arguments: Arguments, named: Named) -> dict[str, int]:
    """NLLB: four special tokens in front, then the others in order."""
    front = [content(named[role]) for role in ("bos", "pad", "eos", "unk")]
    return {token: number for number, token in enumerate(dict.fromkeys([*front, *arguments.vocabulary]))}


def sentinels(arguments: Arguments) -> list[str]:
    """T5's extra tokens, `extra_ids` of them."""
    return [f"<extra_id_{number}>" for number in range(int(arguments.get("extra_ids", 100)))]


def t5_extra(arguments: Arguments) -> list[Any]:
    """T5's further special tokens: those written, and the sentinels where none of them is written."""
    written = written_extra(arguments)
    has_sentinels = any("<extra_id_" in content(token) for token in written)
    return written if has_sentinels else [*written, *sentinels(arguments)]


def camembert_extra(arguments: Arguments) -> list[Any]:
    """CamemBERT's further special tokens."""
    return written_extra(arguments) or ["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"]


def xlnet_extra(arguments: Arguments) -> list[Any]:
    """XLNet's further special tokens."""
    return written_extra(arguments) or ["<eop>", "<eod>"]


def mbart_extra(arguments: Arguments) -> list[Any]:
    """Further special tokens of mBART: its languages, then those written."""
    return [*MBART_LANGUAGES, *(token for token in written_extra(arguments) if content(token) not in MBART_LANGUAGES)]


def mbart50_extra(arguments: Arguments) -> list[Any]:
    """Further special tokens of mBART-50: those written, then its languages."""
    return [*written_extra(arguments), *MBART50_LANGUAGES]


def written_extra(arguments: Arguments) -> list[Any]:
    """Further special tokens of the sentencepiece model, or those that the options name the old way."""
    if arguments.controls is not None:
        return list(arguments.controls)
    return list(arguments.get("additional_special_tokens") or ())


def _special(named: Named, *roles: str) -> Scored:
    return [(content(named[role]), 0.0) for role in roles]
