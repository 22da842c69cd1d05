"""The modules of a sentence-transformers folder, as `modules.json` lists them: by their full class, in their order.

Versions 2 to 6 write the same class under different paths (`sentence_transformers.models.Pooling`,
`sentence_transformers.sentence_transformer.modules.pooling.Pooling`); the last word is the class in all of them. A
class of anybody else's has no kind here, whatever its last word is, unless it is known to compute the same.
Not here: what each module computes (`naiad.convert.encoder`), and which task follows (`naiad.tasks.choice`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from naiad.core.errors import InvalidConfiguration, LoadFailed

MODULES = "modules.json"

LIBRARY = "sentence_transformers."

MODEL2VEC = "model2vec"
"""A library of static embeddings, and its model_type in config.json."""

SAME_BY_ANOTHER_NAME = {"pylate.models.Dense.Dense": "Dense", "pylate.models.Dense": "Dense"}
"""Classes of other libraries that compute what one of sentence-transformers does."""


@dataclass(frozen=True, slots=True)
class Module:
    """One row of modules.json."""

    type: str
    """Its class as the file writes it."""
    folder: Path
    """Where its config.json and weights lie."""

    @property
    def kind(self) -> str:
        """Name of the class in sentence-transformers; empty for a class that is not known to be one of theirs."""
        if self.type.startswith(LIBRARY):
            return self.type.rpartition(".")[2]
        return SAME_BY_ANOTHER_NAME.get(self.type, "")

    @property
    def is_foreign(self) -> bool:
        """Whether the class comes from another library."""
        return not self.type.startswith(LIBRARY)


def read_modules(folder: Path) -> tuple[Module, ...]:
    """The modules of a folder, in order; none where there is no modules.json.

    Raises LoadFailed for a file that is not a list of modules, InvalidConfiguration for a path that leaves the folder.
    """
    path = folder / MODULES
    if not path.is_file():
        return ()
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise LoadFailed(f"{path}: cannot be read as JSON: {error}", path=str(path)) from error
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise LoadFailed(f"{path}: is not a list of modules", path=str(path))
    modules = []
    for row in content:
        kind, where = row.get("type"), row.get("path", "")
        if not isinstance(kind, str) or not isinstance(where, str):
            raise LoadFailed(f"{path}: each module needs a `type` and a `path` inside the folder", path=str(path))
        if not (folder / where).resolve().is_relative_to(folder.resolve()):
            raise InvalidConfiguration(f"{path}: the path {where!r} leaves the model's folder", path=str(path))
        modules.append(Module(kind, folder / where))
    return tuple(modules)


def body_folder(folder: Path) -> Path:
    """Where config.json and the tokenizer lie: the folder itself, or in older versions its first module's.

    Behind a router, it is the Transformer's that one of its routes begins with.
    """
    if (folder / "config.json").is_file():
        return folder
    modules = read_modules(folder)
    if not modules or (modules[0].folder / "config.json").is_file():
        return modules[0].folder if modules else folder
    bodies = sorted(modules[0].folder.glob("*_0_*Transformer/config.json"))
    return bodies[0].parent if bodies else modules[0].folder


def table_writer(folder: Path) -> str:
    """Whose table of static embeddings a folder holds: `sentence-transformers`, `model2vec`, or empty for no table.

    model2vec describes its table in a config.json, sentence-transformers does not. Raises LoadFailed for files that
    cannot be read.
    """
    modules = read_modules(folder)
    path = body_folder(folder) / "config.json"
    if modules:
        kind = MODEL2VEC if path.is_file() else "sentence-transformers"
        return kind if modules[0].kind == "StaticEmbedding" else ""
    try:
        config = json.loads(path.read_bytes()) if path.is_file() else {}
    except (ValueError, RecursionError) as error:
        raise LoadFailed(f"{path}: cannot be read as JSON: {error}", path=str(path)) from error
    return MODEL2VEC if isinstance(config, dict) and config.get("model_type") == MODEL2VEC else ""
