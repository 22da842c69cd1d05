"""The vocabulary that a tokenizer class is given: out of tokenizer.json, or out of the class's own vocabulary files.

What transformers 5 takes from tokenizer.json is the vocabulary, the merges, the table of replacements and the
post-processor; the rest of the file counts only for classes that take it as it is. Rules follow its
`TokenizersBackend.convert_to_native_format`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from naiad.core.errors import LoadFailed
from naiad.tasks.tokenizing.declared.arguments import Arguments
from naiad.tasks.tokenizing.declared.names import GENERIC
from naiad.tasks.tokenizing.declared.sentencepiece import (
    BPE,
    CONTROL,
    USER_DEFINED,
    SentencePieceModel,
    read_sentencepiece,
)

SAVE = "save the tokenizer with transformers' AutoTokenizer(...).save_pretrained to get tokenizer.json"

TRANSFORMERS = (5, 23)
"""The version whose rules are kept; tokenizer files for newer ones are passed over."""


def tokenizer_path(folder: Path, tokenizer_config: Mapping[str, Any]) -> Path:
    """Where tokenizer.json lies: `fast_tokenizer_files` may name one for each version of transformers."""
    best: tuple[int, ...] = ()
    name = "tokenizer.json"
    for candidate in tokenizer_config.get("fast_tokenizer_files") or ():
        found = re.fullmatch(r"tokenizer\.(\d+(?:\.\d+)*)\.json", str(candidate))
        version = tuple(map(int, found[1].split("."))) if found else ()
        if best < version <= (*TRANSFORMERS, 10**6):
            best, name = version, str(candidate)
    return folder / name


def take_from_file(arguments: Arguments, document: Mapping[str, Any], model: str) -> None:
    """Fill in what a class of this model (WordPiece, BPE, Unigram; empty for any) takes from tokenizer.json."""
    own = document.get("model") or {}
    vocabulary = own.get("vocab")
    if isinstance(vocabulary, list):
        if model in ("BPE", "WordPiece"):
            vocabulary = {one[0] if isinstance(one, list) else one: at for at, one in enumerate(vocabulary)}
        else:
            vocabulary = [(one[0], one[1]) for one in vocabulary]
    arguments.vocabulary = vocabulary
    if model == "BPE":
        arguments.merges = [tuple(one.split(" ") if isinstance(one, str) else one) for one in own.get("merges") or ()]
    arguments.post_processor = _post_processor(document)
    for normalizer in _flat(document.get("normalizer")):
        if normalizer.get("type") == "Precompiled" and "precompiled_charsmap" in normalizer:
            arguments.charsmap = base64.b64decode(normalizer["precompiled_charsmap"])
            break
    take_defaults(arguments, document)


def take_defaults(arguments: Arguments, document: Mapping[str, Any]) -> None:
    """Truncation and padding of tokenizer.json are not done, but their sides and tokens are defaults."""
    truncation, padding = document.get("truncation"), document.get("padding")
    if truncation:
        arguments.options.setdefault("truncation_side", str(truncation.get("direction", "Right")).lower())
    if padding:
        arguments.options.setdefault("pad_token", padding.get("pad_token"))


def take_from_words(arguments: Arguments, path: Path) -> None:
    """vocab.txt: one token a line, without white space at the line's end."""
    from tokenizers.models import WordPiece

    arguments.vocabulary = WordPiece.read_file(str(path))


def take_from_merges(arguments: Arguments, vocabulary: Path, merges: Path) -> None:
    """vocab.json and merges.txt."""
    from tokenizers import models

    arguments.vocabulary, arguments.merges = models.BPE.read_file(str(vocabulary), str(merges))


def take_from_sentencepiece(arguments: Arguments, path: Path, model: str) -> SentencePieceModel:
    """A sentencepiece model, for a class whose tokenizer is of this model (empty: that of the file)."""
    from tokenizers import AddedToken

    read = read_sentencepiece(path)
    if (model or ("BPE" if read.algorithm == BPE else "Unigram")) == "BPE":
        arguments.vocabulary = {text: number for number, (text, _) in enumerate(read.scores)}
        arguments.merges = merges_of(arguments.vocabulary)
    else:
        arguments.vocabulary = read.scores
        arguments.options["unk_id"] = read.unknown_id
    arguments.controls = [
        AddedToken(piece.text, normalized=False, special=piece.kind == CONTROL)
        for piece in read.pieces
        if piece.kind in (CONTROL, USER_DEFINED)
    ]
    arguments.charsmap = read.charsmap
    return read


def merges_of(vocabulary: Mapping[str, int]) -> list[tuple[str, str]]:
    """The merges that a vocabulary implies: every split of a token into two others, in the order of the tokens."""
    found: list[tuple[str, str, int]] = []
    for token, number in vocabulary.items():
        halves = ((token[:at], token[at:]) for at in range(1, len(token)))
        pairs = [(left, right, number) for left, right in halves if left in vocabulary and right in vocabulary]
        found += sorted(pairs, key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))
    found.sort(key=lambda pair: (pair[2], len(pair[0]), len(pair[1])))
    return [(left, right) for left, right, _ in found]


def has_bert_words(folder: Path) -> bool:
    """Whether the only vocabulary is a vocab.txt with the special tokens of BERT's WordPiece, which others have not."""
    if any((folder / name).is_file() for name in ("bpe.codes", "merges.txt", "tokenizer.model", "spiece.model")):
        return False
    path = folder / "vocab.txt"
    return path.is_file() and {"[UNK]", "[CLS]", "[SEP]"} <= set(path.read_text("utf-8", "replace").splitlines())


def missing(folder: Path, name: str, files: Iterable[str]) -> LoadFailed:
    """What to say where a class finds none of its files."""
    if name == GENERIC:
        return LoadFailed(
            f"{folder} has no tokenizer.json and does not say which class its tokenizer is: set tokenizer_class in "
            f"tokenizer_config.json (BertTokenizer for vocab.txt, RobertaTokenizer for vocab.json with merges.txt, "
            f"XLMRobertaTokenizer for sentencepiece.bpe.model …), or {SAVE}",
            folder=str(folder),
        )
    others = f", and so is {' with '.join(files)}" if files else ""
    return LoadFailed(
        f"{folder} has no vocabulary for its tokenizer class {name}: tokenizer.json is missing{others}; {SAVE}",
        folder=str(folder),
    )


def empty(folder: Path, name: str, files: Iterable[str]) -> LoadFailed:
    """What to say where a class's files have no tokens."""
    return LoadFailed(
        f"{folder} has an empty vocabulary for its tokenizer class {name}: no tokens in {' with '.join(files)}"
        f"; copy the file again, or {SAVE}",
        folder=str(folder),
    )


def _post_processor(document: Mapping[str, Any]) -> Any:
    """The post-processor alone, made by the library from a file without a vocabulary."""
    from tokenizers import Tokenizer

    if not document.get("post_processor"):
        return None
    model = {"type": "WordLevel", "vocab": {"?": 0}, "unk_token": "?"}
    bare = {"version": "1.0", "added_tokens": [], "post_processor": document["post_processor"], "model": model}
    return Tokenizer.from_str(json.dumps(bare)).post_processor


def _flat(normalizer: Any) -> list[dict[str, Any]]:
    """The steps of a normalizer; those of sequences inside a sequence do not count in transformers either."""
    if not isinstance(normalizer, dict):
        return []
    if normalizer.get("type") == "Sequence":
        return [one for one in normalizer.get("normalizers") or () if isinstance(one, dict)]
    return [normalizer]
