"""A checkpoint's folder, and what its files say of it; every part is read on first use, and once.

config.json, the files of sentence-transformers and the model card. Which task follows is `naiad.tasks.recognise`, which
graph `naiad.convert`; the tokenizer's own files are read in `naiad.tasks.tokenizing`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from naiad.core.errors import InvalidConfiguration, LoadFailed, Unsupported
from naiad.core.json_values import is_whole, shown
from naiad.repository.checkpoint.card import read_card
from naiad.repository.checkpoint.config_file import CONFIG, read_config
from naiad.repository.checkpoint.json_files import read_json, read_object
from naiad.repository.checkpoint.modules import MODULES, Module, parse_modules, refuse_unserved
from naiad.repository.checkpoint.routes import Routes, parse_routes, router_file

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
"""Weights in one file; the index of their shards."""

MODEL2VEC = "model2vec"
"""A library of static embeddings, and its model_type in config.json."""

STANFORD = "HF_ColBERT"
"""Stanford's late interaction: the class in config.json's `architectures`."""

PYLATE = "ColBERT"
"""PyLate's model_type in config_sentence_transformers.json, before version 4."""

TRANSFORMER_FILES = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
"""Settings of sentence-transformers' Transformer module, under the names that its versions gave them."""

MOST_LABELS = 2**20

_CROSS_ENCODER_KEYS = frozenset({"sentence_transformers", "sbert_ce_default_activation_function"})
"""Keys of config.json that only a CrossEncoder writes: of versions 4 and 5, of versions 2 and 3."""

_SPARSE_MODULES = frozenset({"SpladePooling", "MLMTransformer", "SparseAutoEncoder", "SparseStaticEmbedding"})
"""Modules that only a SparseEncoder has."""


@dataclass(frozen=True)
class Checkpoint:
    """One folder. Its properties raise LoadFailed for files that cannot be read or make no sense."""

    folder: Path

    @cached_property
    def modules(self) -> tuple[Module, ...]:
        """What modules.json lists; empty where there is none.

        Raises InvalidConfiguration for a path that leads out; Unsupported for a class that is not served, unless an
        ONNX file lies in the folder, which may hold all that the modules do.
        """
        path = self.folder / MODULES
        modules = parse_modules(self.folder, read_json(path)) if path.is_file() else ()
        for module in modules:
            if not Path(os.path.realpath(module.folder)).is_relative_to(os.path.realpath(self.folder)):
                raise InvalidConfiguration(f"{module.folder} is a link that leaves the model's folder")
        self._refuse_unserved(modules)
        return modules

    @cached_property
    def routes(self) -> Routes | None:
        """The routes where the first module is a router; None where it is none."""
        path = router_file(self.modules, Path.is_file)
        if path is None:
            return None
        routes = parse_routes(path, read_object(path))
        self._refuse_unserved(chain.from_iterable(routes.modules.values()), are_routed=True)
        return routes

    @cached_property
    def body(self) -> Path:
        """Where config.json, the tokenizer and the weights lie: `folder`, or in older versions its first module's.

        Raises Unsupported as `modules` does, so that whoever opens a folder hears of that first.
        """
        modules, routes = self.modules, self.routes
        if (self.folder / CONFIG).is_file():
            return self.folder
        return body_of(modules, routes, Path.is_file) or self.folder

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json; empty where there is none."""
        return read_config(self.body)

    @property
    def safetensors(self) -> Path | None:
        """The index of the weights' shards, else the one file; None without either."""
        return next((self.body / name for name in (INDEX, SINGLE) if (self.body / name).is_file()), None)

    @property
    def onnx_files(self) -> list[str]:
        """ONNX files where exporters put them, relative to the body, sorted."""
        found = [*self.body.glob("onnx/*.onnx"), *self.body.glob("*.onnx")]
        return sorted(str(path.relative_to(self.body)) for path in found if path.is_file())

    @property
    def needed_config(self) -> dict[str, Any]:
        """config.json. Raises LoadFailed where there is none, too."""
        return self.config or read_config(self.body, needed=True)

    @cached_property
    def sentence_settings(self) -> dict[str, Any]:
        """config_sentence_transformers.json: prompts and their default; empty where there is none."""
        return read_object(self.folder / "config_sentence_transformers.json")

    @property
    def truncate_dim(self) -> int | None:
        """How many numbers of an embedding sentence-transformers keeps, None: all. Raises LoadFailed for nonsense."""
        value = self.sentence_settings.get("truncate_dim")
        if value is None or (is_whole(value) and value > 0):
            return value
        raise LoadFailed(
            f"{self.folder / 'config_sentence_transformers.json'}: truncate_dim is {shown(value)}, a whole number of "
            "at least 1 is expected"
        )

    @cached_property
    def transformer_settings(self) -> dict[str, Any]:
        """What sentence-transformers adds to the body's tokenizer; empty where it adds nothing."""
        return read_transformer_settings(self.body)

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
            return "MultiVectorEncoder" if named == PYLATE else str(named)
        if not _CROSS_ENCODER_KEYS.isdisjoint(self.config):
            return "CrossEncoder"
        kinds = {module.kind for module in self.modules}
        if kinds & _SPARSE_MODULES:
            return "SparseEncoder"
        if "MultiVectorMask" in kinds or any(module.type.startswith("pylate.") for module in self.modules):
            return "MultiVectorEncoder"
        if self.architecture == STANFORD:
            return "MultiVectorEncoder"
        return "SentenceTransformer" if self.modules else ""

    @property
    def table_writer(self) -> str:
        """Whose table of static embeddings this is: `sentence-transformers`, `model2vec`, or empty for no table.

        model2vec describes its table in a config.json, sentence-transformers does not.
        """
        if not self.modules:
            return MODEL2VEC if self.model_type == MODEL2VEC else ""
        if self.modules[0].kind != "StaticEmbedding":
            return ""
        return MODEL2VEC if (self.body / CONFIG).is_file() else "sentence-transformers"

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
        path = self.body / CONFIG
        if not isinstance(table, dict) or not all(key.isdecimal() and len(key) < 10 for key in table):
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
        if count is None:
            return 2
        if not is_whole(count) or not 0 <= count <= MOST_LABELS:
            raise LoadFailed(
                f"{self.body / CONFIG}: num_labels is {shown(count)}, not a whole number from 0 to {MOST_LABELS}"
            )
        return count

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
            if not is_whole(index) or not 0 <= index < count:
                raise LoadFailed(f"{self.body / CONFIG}: label2id gives '{name}' the number {shown(index)}")
            return index
        return None

    def _refuse_unserved(self, modules: Iterable[Module], *, are_routed: bool = False) -> None:
        """Raise Unsupported for a class that is not served, unless there may be an export of the whole model."""
        try:
            refuse_unserved(modules, are_routed=are_routed)
        except Unsupported:
            if not any(self.folder.rglob("*.onnx")):
                raise


def body_of(modules: Sequence[Module], routes: Routes | None, is_file: Callable[[Path], bool]) -> Path | None:
    """Where the checkpoint itself lies in a folder without a config.json; None where modules do not tell.

    The first module's folder; behind a router that of the Transformer which one of its routes begins with, the
    documents' before others. is_file: tells about this disk, or about a listing of files elsewhere.
    """
    for first, *_ in routes.documents_first if routes else ():
        if first.kind.endswith("Transformer") and is_file(first.folder / CONFIG):
            return first.folder
    return modules[0].folder if modules else None


def read_transformer_settings(folder: Path) -> dict[str, Any]:
    """See `Checkpoint.transformer_settings`; folder: the body's."""
    return next((read_object(folder / name) for name in TRANSFORMER_FILES if (folder / name).is_file()), {})
