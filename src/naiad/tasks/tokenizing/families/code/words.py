"""Classes whose words are found by code and not by the library: Japanese BERT, BERTweet and PhoBERT, SigLIP.

Each word finder is a pre-tokenizer of the library (`PreTokenizer.custom`), so that numbers and places in the text are
its own work. Calls come with Python's lock held, from any thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from naiad.core.errors import LoadFailed
from naiad.tasks.tokenizing.declared.arguments import Arguments, content
from naiad.tasks.tokenizing.families.bytes import ROBERTA_TOKENS
from naiad.tasks.tokenizing.families.code.japanese import make_japanese
from naiad.tasks.tokenizing.families.code.merger import Merger
from naiad.tasks.tokenizing.families.family import Family, Frame, Named
from naiad.tasks.tokenizing.families.sentencepieces.steps import SPACE_MARK
from naiad.tasks.tokenizing.families.wordpiece import BERT_FRAME, BERT_TOKENS

PUNCTUATION = re.escape("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
"""Python's string.punctuation, which SigLIP removes."""


class MergedWords:
    """Words between white space, merged from characters as fastBPE does: `@@` marks a piece that is not the last."""

    def __init__(self, merger: Merger) -> None:
        self._merger = merger

    def pre_tokenize(self, text: Any) -> None:
        """Called by the library with a `PreTokenizedString`."""
        text.split(self._split)

    def _split(self, _index: int, text: Any) -> list[Any]:
        pieces: list[Any] = []
        for word in re.finditer(r"\S+\n?", text.normalized):
            at = word.start()
            merged = self._merger.pieces(word[0])
            for place, length in enumerate(merged):
                piece = text[at : at + length]
                if place + 1 < len(merged):
                    piece.append("@@")
                pieces.append(piece)
                at += length
        return pieces


class MarkedSpaces:
    """SigLIP's text as one stretch: a mark before it and for each space in it, none at its end."""

    def __init__(self, charsmap: bytes | None) -> None:
        from tokenizers import Regex, normalizers

        replaced = [normalizers.Precompiled(charsmap)] if charsmap is not None else []
        self._steps: Any = normalizers.Sequence([*replaced, normalizers.Replace(Regex(" {2,}"), " ")])

    def pre_tokenize(self, text: Any) -> None:
        """Called by the library with a `PreTokenizedString`."""
        text.split(self._split)

    def _split(self, index: int, text: Any) -> list[Any]:
        text.rstrip()
        if index == 0:
            text.prepend(SPACE_MARK)
        else:
            text.lstrip()
        self._steps.normalize(text)
        text.rstrip()
        text.replace(" ", SPACE_MARK)
        return [text] if text.normalized.strip(SPACE_MARK) else []


def make_merged_words(arguments: Arguments, named: Named) -> Any:
    """BERTweet and PhoBERT: merges of bpe.codes, numbers of vocab.txt behind four special tokens."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    if arguments.get("normalization", False):
        raise LoadFailed(
            "the tokenizer's normalization of tweets is not done here: normalise texts before they are sent and set "
            '"normalization": false in tokenizer_config.json'
        )
    rust = Tokenizer(models.WordLevel(arguments.vocabulary, unk_token=content(named["unk"])))
    rust.pre_tokenizer = pre_tokenizers.PreTokenizer.custom(MergedWords(Merger(arguments.merges)))
    space_behind = decoders.Replace(Regex(r"\z"), " ")
    rust.decoder = decoders.Sequence(
        [space_behind, decoders.Fuse(), decoders.Strip(" ", 0, 1), decoders.Replace("@@ ", "")]
    )
    return rust


def make_siglip(arguments: Arguments, _named: Named) -> Any:
    """Lower case without punctuation, as one stretch of sentencepiece's Unigram."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    if not isinstance(arguments.vocabulary, list):
        raise LoadFailed("SiglipTokenizer needs a sentencepiece model of the kind Unigram")
    rust = Tokenizer(models.Unigram(arguments.vocabulary, unk_id=int(arguments.get("unk_id", 0)), byte_fallback=False))
    steps: list[Any] = [normalizers.Replace(SPACE_MARK, " ")]
    if arguments.get("do_lower_case", True):
        steps.append(normalizers.Lowercase())
    steps += [normalizers.Replace(Regex(f"[{PUNCTUATION}]"), ""), normalizers.Replace(Regex(r"\s+"), " ")]
    rust.normalizer = normalizers.Sequence(steps)
    rust.pre_tokenizer = pre_tokenizers.PreTokenizer.custom(MarkedSpaces(arguments.charsmap))
    rust.decoder = decoders.Metaspace(replacement=SPACE_MARK, prepend_scheme="always")
    return rust


def take_counted_words(arguments: Arguments, named: Named, vocabulary: Path, codes: Path) -> None:
    """Dictionary of fairseq, a token and its count a line, and fastBPE's merges, two symbols and a count a line."""
    numbers = {content(named[role]): number for number, role in enumerate(("bos", "pad", "eos", "unk"))}
    for line in python_lines(vocabulary):
        token, space, _ = line.strip().rpartition(" ")
        if not space:
            raise LoadFailed(f"{vocabulary}: the line {line!r} is not a token and its count", path=str(vocabulary))
        numbers[token] = len(numbers)
    arguments.vocabulary = numbers
    merges = codes.read_text(encoding="utf-8").split("\n")[:-1]
    arguments.merges = [tuple(line.split()[:-1]) for line in merges]


def python_lines(path: Path) -> Iterable[str]:
    """Lines of a text file as Python counts them, without their ends."""
    with path.open(encoding="utf-8") as file:
        return [line.rstrip("\n") for line in file]


_TAKES_SPACES = {"lstrip": True, "rstrip": True, "normalized": False, "special": True}

_MERGED = Family(
    "BPE",
    ("vocab.txt", "bpe.codes"),
    make_merged_words,
    ROBERTA_TOKENS,
    frame=Frame("{cls} $A {sep}", "{cls} $A {sep} {sep} $B {sep}"),
    is_code=True,
)

WORD_FAMILIES: dict[str, Family] = {
    "BertJapaneseTokenizer": Family(
        "WordPiece", ("vocab.txt",), make_japanese, BERT_TOKENS, frame=BERT_FRAME, is_code=True
    ),
    "BertweetTokenizer": _MERGED,
    "PhobertTokenizer": _MERGED,
    "SiglipTokenizer": Family(
        "Unigram",
        ("spiece.model",),
        make_siglip,
        {"eos": "</s>", "unk": "<unk>", "pad": "</s>"},
        dict.fromkeys(("eos", "unk", "pad"), _TAKES_SPACES),
        frame=Frame("$A {eos}", "$A {eos} $B {eos}"),
        is_code=True,
        max_tokens=64,
    ),
}
"""Class → row."""
