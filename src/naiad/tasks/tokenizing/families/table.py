"""The table of classes, and making a checkpoint's tokenizer from its row."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naiad.core.errors import LoadFailed
from naiad.repository.checkpoint import read_config, read_object
from naiad.tasks.tokenizing.declared import vocabulary
from naiad.tasks.tokenizing.declared.arguments import Arguments, content, read_arguments
from naiad.tasks.tokenizing.declared.classes import choose_class, is_silent
from naiad.tasks.tokenizing.families.bytes import BYTE_FAMILIES
from naiad.tasks.tokenizing.families.code.words import WORD_FAMILIES, python_lines, take_counted_words
from naiad.tasks.tokenizing.families.family import Family, Named, finish, named_tokens
from naiad.tasks.tokenizing.families.generic import GENERIC_FAMILIES, make_generic
from naiad.tasks.tokenizing.families.merging import MERGING_FAMILIES
from naiad.tasks.tokenizing.families.sentencepieces.unigrams import UNIGRAM_FAMILIES
from naiad.tasks.tokenizing.families.wordpiece import WORDPIECE_FAMILIES

_log = logging.getLogger("naiad.tasks")

FAMILIES: dict[str, Family] = {
    **WORDPIECE_FAMILIES, **BYTE_FAMILIES, **UNIGRAM_FAMILIES, **MERGING_FAMILIES, **GENERIC_FAMILIES,
    **WORD_FAMILIES,
}  # fmt: skip
"""Every class that can be made, by its name in transformers 5."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A tokenizer as a checkpoint declares it."""

    rust: Any
    """`tokenizers.Tokenizer`."""
    class_name: str
    family: Family
    arguments: Arguments
    special_tokens: dict[str, str]
    """Keyed by role (mask, pad, cls, sep, unk, bos, eos)."""


def make_declared(folder: Path, overrides: Mapping[str, Any], *, has_class: bool) -> Declared:
    """Make the tokenizer of the checkpoint in `folder`.

    overrides: options that win over tokenizer_config.json. has_class: False for checkpoints whose libraries read
    tokenizer.json and nothing beside it. Raises LoadFailed for a class that
    cannot be made and files that are missing; whatever the library raises for files that it cannot use.
    """
    config = read_config(folder) if has_class else {}
    tokenizer_config = read_object(folder / "tokenizer_config.json") if has_class else {}
    document = read_object(vocabulary.tokenizer_path(folder, tokenizer_config))
    is_byte_level = '"ByteLevel"' in json.dumps({key: value for key, value in document.items() if key != "model"})
    name = choose_class(config, tokenizer_config, FAMILIES.keys(), is_byte_level)
    if not document and is_silent(config, tokenizer_config) and vocabulary.has_bert_words(folder):
        _log.warning("%s does not say which class its tokenizer is; vocab.txt has BERT's tokens: BertTokenizer", folder)
        name = "BertTokenizer"
    family = FAMILIES[name]
    arguments = read_arguments(folder, tokenizer_config, overrides, document)
    arguments.options.update(family.fixed)
    rust, named = _parts(folder, name, family, arguments, document)
    rust = finish(family, arguments, rust, named)
    return Declared(rust, name, family, arguments, {role: content(token) for role, token in named.items()})


def _parts(
    folder: Path, name: str, family: Family, arguments: Arguments, document: Mapping[str, Any]
) -> tuple[Any, Named]:
    """The tokenizer without its added tokens, and its special tokens by role."""
    if document and family.takes_file:
        from tokenizers import Tokenizer

        vocabulary.take_defaults(arguments, document)
        return Tokenizer.from_str(json.dumps(document)), named_tokens(family, arguments)
    if document and not family.is_code:
        vocabulary.take_from_file(arguments, document, family.model)
    else:
        model = _take_from_files(folder, name, family, arguments)
        if not arguments.vocabulary:
            raise vocabulary.empty(folder, name, family.files)
        if model is not None and family.make is None:
            return make_generic(arguments, model), named_tokens(family, arguments)
    named = named_tokens(family, arguments)
    if arguments.controls is not None and family.reorder is not None:
        arguments.vocabulary = family.reorder(arguments, named)
    if family.make is None:
        raise LoadFailed(f"the tokenizer class {name} has no parts of its own")
    return family.make(arguments, named), named


def _take_from_files(folder: Path, name: str, family: Family, arguments: Arguments) -> Any:
    """Fill in the vocabulary from the class's own files; gives the sentencepiece model where it is one."""
    files = family.files
    if (folder / "tokenizer.model").is_file() and not family.is_code:  # before the class's own file, as in transformers
        files = ("tokenizer.model",)
    paths = [folder / file for file in files]
    if not paths or not all(path.is_file() for path in paths):
        raise vocabulary.missing(folder, name, family.files)
    if files[0].endswith(".model"):
        model = vocabulary.take_from_sentencepiece(arguments, paths[0], family.model)
        if family.is_code:
            arguments.controls = None
        return model
    if family.is_code:
        _take_for_code(family, arguments, paths)
    elif len(paths) == 1:
        vocabulary.take_from_words(arguments, paths[0])
    else:
        vocabulary.take_from_merges(arguments, *paths)
    return None


def _take_for_code(family: Family, arguments: Arguments, paths: list[Path]) -> None:
    if len(paths) == 1:
        arguments.vocabulary = {token: number for number, token in enumerate(python_lines(paths[0]))}
    else:
        take_counted_words(arguments, named_tokens(family, arguments), *paths)
