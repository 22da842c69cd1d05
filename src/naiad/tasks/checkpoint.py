"""What a checkpoint's folder says of itself, for choosing a task and decoding its answers.

Reads config.json, the sentence-transformers files and the model card's front matter; never weights, never code. Which
task follows from it is `recognise.py`; the tokenizer's own files are read in `text/settings.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from naiad.core.errors import LoadFailed
from naiad.repository.card import read_card
from naiad.repository.modules import Module, body_folder, read_modules

_CROSS_ENCODER_KEYS = frozenset({"sentence_transformers", "sbert_ce_default_activation_function"})
"""Keys of config.json that only a CrossEncoder writes: of versions 4 and 5, of versions 2 and 3."""

_SPARSE_MODULES = frozenset({"SpladePooling", "MLMTransformer", "SparseAutoEncoder", "SparseStaticEmbedding"})
"""Modules that only a SparseEncoder has."""

_KINDS = {"ColBERT": "MultiVectorEncoder"}
"""model_type of config_sentence_transformers.json by other libraries' words; PyLate's before version 4."""


def read_json(path: Path) -> Any:
    """The file's JSON value, or None where there is no such file.

    Raises LoadFailed for a file that cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LoadFailed(f"cannot read {path}: {error.strerror}", path=str(path)) from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LoadFailed(f"{path} is not valid JSON: {error}", path=str(path)) from error


def read_object(path: Path) -> dict[str, Any]:
    """The file's JSON object, empty where there is no such file. Raises LoadFailed for any other JSON value."""
    value = read_json(path)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise LoadFailed(f"{path} holds a JSON {type(value).__name__}, an object is expected", path=str(path))
    return value


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's folder; every part is read on first use."""

    folder: Path

    @cached_property
    def modules(self) -> tuple[Module, ...]:
        """What modules.json lists; empty where there is none. Raises LoadFailed, InvalidConfiguration."""
        return read_modules(self.folder)

    @cached_property
    def body(self) -> Path:
        """Where config.json and the tokenizer lie: `folder`, or in older sentence-transformers their first module's."""
        return body_folder(self.folder)

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json; empty where there is none."""
        return read_object(self.body / "config.json")

    @cached_property
    def sentence_settings(self) -> dict[str, Any]:
        """config_sentence_transformers.json: prompts and their default; empty where there is none."""
        return read_object(self.folder / "config_sentence_transformers.json")

    @cached_property
    def card(self) -> dict[str, Any]:
        """Front matter of the model card; empty where there is none."""
        return read_card(self.folder)[0]

    @property
    def pipeline_tag(self) -> str:
        """What the card says that the model is for; empty where it says nothing."""
        tag = self.card.get("pipeline_tag")
        return tag if isinstance(tag, str) else ""

    @property
    def tags(self) -> frozenset[str]:
        """The card's tags."""
        tags = self.card.get("tags")
        return frozenset(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else frozenset()

    @cached_property
    def kind(self) -> str:
        """The class of sentence-transformers that saved the checkpoint; empty where transformers alone did."""
        named = self.sentence_settings.get("model_type")
        if named is not None:
            return _KINDS.get(str(named), str(named))
        if not _CROSS_ENCODER_KEYS.isdisjoint(self.config):
            return "CrossEncoder"
        kinds = {module.kind for module in self.modules}
        if kinds & _SPARSE_MODULES:
            return "SparseEncoder"
        if "MultiVectorMask" in kinds or any(module.type.startswith("pylate.") for module in self.modules):
            return "MultiVectorEncoder"
        if self.architecture == "HF_ColBERT":
            return "MultiVectorEncoder"
        return "SentenceTransformer" if self.modules else ""

    @property
    def model_type(self) -> str:
        """config.json's `model_type`; empty where it names none."""
        return str(self.config.get("model_type", ""))

    @property
    def architecture(self) -> str:
        """First of config.json's `architectures`, such as BertForMaskedLM; empty where it names none."""
        names = self.config.get("architectures")
        return str(names[0]) if isinstance(names, list) and names else ""

    def labels(self, count: int) -> list[str]:
        """Names of `count` classes by id2label; LABEL_i, as transformers has them, where config.json names none.

        Raises LoadFailed where id2label does not name just these classes, by their numbers.
        """
        table = self.config.get("id2label") or {}
        path = self.body / "config.json"
        if not isinstance(table, dict) or not all(str(key).isdecimal() for key in table):
            raise LoadFailed(
                f'{path}: id2label must map class numbers to names, as in {{"0": "no", "1": "yes"}}', path=str(path)
            )
        if not table:
            return [f"LABEL_{index}" for index in range(count)]
        named = {int(key): str(name) for key, name in table.items()}
        if sorted(named) != list(range(count)):
            raise LoadFailed(
                f"{path}: id2label names the classes {', '.join(map(str, sorted(named)))}, but the model has {count}: "
                f"it must name 0 to {count - 1}",
                path=str(path),
            )
        return [named[index] for index in range(count)]

    @property
    def label_count(self) -> int:
        """How many classes config.json speaks of; transformers assumes two where it is silent."""
        for key in ("id2label", "label2id"):
            if isinstance(self.config.get(key), dict) and self.config[key]:
                return len(self.config[key])
        count = self.config.get("num_labels")
        return count if isinstance(count, int) else 2

    @property
    def entailment_id(self) -> int | None:
        """Class that label2id (else id2label) calls entailment; None where there is no such class.

        Raises LoadFailed where its number is none of the classes'.
        """
        count = self.label_count
        table = self.config.get("label2id")
        if not isinstance(table, dict) or not table:
            table = {name: index for index, name in enumerate(self.labels(count))}
        for name, index in table.items():
            if not str(name).lower().startswith("entail"):
                continue
            if not isinstance(index, int) or not 0 <= index < count:
                raise LoadFailed(f"{self.body / 'config.json'}: label2id gives '{name}' the number {index!r}")
            return index
        return None
