"""A folder's files become a tokenizer, or an error that names what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from naiad.core.encoding.encoder import STATIC, EncoderSpec
from naiad.core.errors import LoadFailed, NaiadError, Unsupported
from naiad.core.foreign import is_librarys
from naiad.core.json_values import shown
from naiad.repository.checkpoint import read_object
from naiad.tasks.tokenizing.families.table import Declared, make_declared
from naiad.tasks.tokenizing.settings import (
    SentenceSettings,
    TokenizerSettings,
    longest_input,
    read_sentence_settings,
    truncation_side,
)
from naiad.tasks.tokenizing.tokenizer import Tokenizer
from naiad.tasks.tokenizing.trial.trying import begin_trial

RARE_CHARACTER = "\U00013000"
"""A hieroglyph, in hardly any vocabulary: a tokenizer whose unknown token is missing fails on it, at load."""


LONGEST_GIST = 500
"""Characters of the library's error that are passed on; some of them quote the file."""


def load_tokenizer(folder: Path, spec: EncoderSpec) -> Tokenizer:
    """Load the tokenizer in a checkpoint's folder, by the class that its files declare.

    The first time, a process of its own tries it. Raises LoadFailed naming what is missing or wrong. Tokenising is kept
    on the calling thread unless the environment says otherwise (TOKENIZERS_PARALLELISM): the server has threads of its
    own, and a pool of one thread a core beside them slows both. The variable is the only switch that the library has.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    has_class = spec.architecture != STATIC
    try:
        begin_trial(folder, has_class=has_class).result()
        declared, sentence = declare(folder, has_class=has_class)
        _refuse_kinds(folder, sentence, spec.head)
        declared.rust.encode(RARE_CHARACTER)
        _check_frame(folder, declared, spec.vocabulary)
        return Tokenizer(declared.rust, _settings(folder, declared, sentence, spec))
    except NaiadError:
        raise
    except BaseException as error:  # the library raises bare Exception for a fault in a file, or panics
        if not is_librarys(error):
            raise
        told = f"the tokenizer in {folder} cannot be used: {_gist(error)}{_kinds(folder)}"
        raise LoadFailed(told, folder=str(folder)) from error


def _kinds(folder: Path) -> str:
    """What the two files say of the tokenizer's kind, as the end of a sentence; nothing where one says nothing."""
    try:
        kind = read_object(folder / "tokenizer.json")["model"]["type"]
        named = read_object(folder / "tokenizer_config.json")["tokenizer_class"]
    except (NaiadError, KeyError, TypeError):
        return ""
    return (
        f". tokenizer.json holds a {shown(kind)} model and tokenizer_config.json names {shown(named)}: if they do not "
        "belong together, set tokenizer_class to the class that the file was made for"
    )


def _gist(error: BaseException) -> str:
    """What is wrong, in the library's words where it has any for people."""
    kind = type(error).__name__
    text = str(error) if kind in ("Exception", "PanicException") else f"{kind}: {error}"
    return text if len(text) <= LONGEST_GIST else text[:LONGEST_GIST] + "…"


def declare(folder: Path, *, has_class: bool) -> tuple[Declared, SentenceSettings]:
    """Make the tokenizer, and read what sentence-transformers adds to it. Raises as `make_declared`."""
    sentence = read_sentence_settings(folder)
    declared = make_declared(folder, sentence.overrides, has_class=has_class)
    if sentence.lowercases:
        _lowercase_first(declared.rust)
    return declared, sentence


def _refuse_kinds(folder: Path, sentence: SentenceSettings, head: str) -> None:
    """Refuse what is said of queries and documents where the head's task does not heed it.

    Late interaction heeds all of it, sparse embeddings the lengths; a classifier has no such kinds.
    """
    unheeded = [f"{kind}_length" for kind in sentence.kind_lengths] if head == "embedding" else []
    if sentence.expands_queries and head in ("embedding", "sparse-embedding"):
        unheeded.append("query_expansion")
    if unheeded:
        raise Unsupported(
            f"{folder}: {unheeded[0]} in sentence_bert_config.json changes answers and is not obeyed for such a model: "
            "remove it; max_seq_length is the longest input of all texts",
            key=unheeded[0],
        )


def _settings(folder: Path, declared: Declared, sentence: SentenceSettings, spec: EncoderSpec) -> TokenizerSettings:
    options, family = declared.arguments.options, declared.family
    inputs = options.get("model_input_names")
    type_ids = family.type_ids if inputs is None else "token_type_ids" in inputs
    cleans_up = options.get("clean_up_tokenization_spaces") is True
    if type(declared.rust.model).__name__ == "BPE":
        cleans_up &= options.get("clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output") is True
    return TokenizerSettings(
        max_tokens=longest_input(sentence, options, family.max_tokens, spec.max_tokens),
        special_tokens={
            role: token for role, token in declared.special_tokens.items() if _has_row(declared, token, spec.vocabulary)
        },
        cuts_left=truncation_side(options, folder) == "left",
        cleans_up_spaces=cleans_up,
        gives_type_ids=spec.uses_type_ids and type_ids,
        reads_whole=family.is_code,
        odd_to_first=family.is_code,
    )


def _lowercase_first(rust: Any) -> None:
    """Make text lower case before the tokenizer's own normalizer, unless that does so."""
    from tokenizers import normalizers

    own: Any = rust.normalizer
    steps = list(own) if type(own).__name__ == "Sequence" else [own] if own is not None else []
    if not any(isinstance(step, normalizers.Lowercase) for step in steps):
        rust.normalizer = normalizers.Sequence([normalizers.Lowercase(), *steps])


def _check_frame(folder: Path, declared: Declared, vocabulary: int) -> None:
    """Refuse special tokens that stand around every text and that the encoder has no row for."""
    encoding = declared.rust.encode("a", "a")
    for number, is_special in zip(encoding.ids, encoding.special_tokens_mask, strict=True):
        token = declared.rust.id_to_token(number)
        if is_special and not _has_row(declared, token, vocabulary):
            raise LoadFailed(f"the vocabulary in {folder} has no special token {token}", folder=str(folder))


def _has_row(declared: Declared, token: str, vocabulary: int) -> bool:
    """Whether a token is the checkpoint's, and not one that its class has added behind the vocabulary."""
    known = vocabulary or declared.rust.get_vocab_size(with_added_tokens=declared.family.is_code)
    written = (added.content for added in declared.arguments.added.values())
    return declared.rust.token_to_id(token) < known or token in written
