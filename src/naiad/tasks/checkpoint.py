"""What a checkpoint's folder says of itself, for choosing a task and decoding its answers.

Reads config.json, the sentence-transformers files and the model card's front matter; never weights, never code. Which
task follows from it is `choice.py`; the tokenizer's own files are read in `text/settings.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from naiad.core.errors import LoadFailed


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
    def body(self) -> Path:
        """Where config.json and the tokenizer lie: `folder`, or in older sentence-transformers their first module's.

        Raises LoadFailed for a modules.json whose first module has no path inside the folder.
        """
        modules = read_json(self.folder / "modules.json")
        if modules is None or (self.folder / "config.json").is_file():
            return self.folder
        first = modules[0] if isinstance(modules, list) and modules else None
        path = first.get("path", "") if isinstance(first, dict) else None
        if not isinstance(path, str) or not (self.folder / path).resolve().is_relative_to(self.folder.resolve()):
            raise LoadFailed(f"{self.folder / 'modules.json'}: the first module needs a path inside the folder")
        return self.folder / path

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json; empty where there is none."""
        return read_object(self.body / "config.json")

    @cached_property
    def is_sentence_transformer(self) -> bool:
        """Whether sentence-transformers saved it as a pipeline of modules."""
        return (self.folder / "modules.json").is_file()

    @cached_property
    def sentence_settings(self) -> dict[str, Any]:
        """config_sentence_transformers.json: prompts and their default; empty where there is none."""
        return read_object(self.folder / "config_sentence_transformers.json")

    @property
    def architecture(self) -> str:
        """First of config.json's `architectures`, such as BertForMaskedLM; empty where it names none."""
        names = self.config.get("architectures")
        return str(names[0]) if isinstance(names, list) and names else ""

    def labels(self, count: int) -> list[str]:
        """Names of `count` classes by id2label, LABEL_i for those without a name.

        Raises LoadFailed where id2label is not an object of numbers to names.
        """
        table = self.config.get("id2label") or {}
        if not isinstance(table, dict) or not all(str(key).isdecimal() for key in table):
            raise LoadFailed(f"{self.body / 'config.json'}: id2label must map class numbers to names")
        named = {int(key): str(value) for key, value in table.items()}
        return [named.get(index, f"LABEL_{index}") for index in range(count)]

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
