"""The modules of a sentence-transformers folder, as `modules.json` lists them: by their full class, in their order.

Versions 2 to 6 write the same class under different paths (`sentence_transformers.models.Pooling`,
`sentence_transformers.sentence_transformer.modules.pooling.Pooling`); the last word is the class in all of them. A
class of anybody else's has no kind here, whatever its last word is, unless it is known to compute the same.
Those of their classes that Naiad cannot serve are known here, so that one is refused before anything else is tried.
Pure: whoever calls reads the file. Not here: what each module computes (`naiad.convert.encoder`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from naiad.core.errors import InvalidConfiguration, LoadFailed, Unsupported
from naiad.core.json_values import shown
from naiad.repository.names import LONGEST_NAME

MODULES = "modules.json"

LIBRARY = "sentence_transformers."

SAME_BY_ANOTHER_NAME = {"pylate.models.Dense.Dense": "Dense", "pylate.models.Dense": "Dense"}
"""Classes of other libraries that compute what one of sentence-transformers does."""

SERVED = frozenset(
    {
        "Transformer", "Pooling", "Dense", "LayerNorm", "Normalize", "Dropout", "StaticEmbedding", "CLIPModel",
        "MLMTransformer", "SpladePooling", "SparseStaticEmbedding", "MultiVectorMask", "Router", "Asym",
    }
)  # fmt: skip
"""Kinds that some model may have; whether they fit together is for whoever computes them."""

ONLY_ROUTED = "SparseStaticEmbedding"
"""The kind that is served on a route of a router, and nowhere else."""

_EXPORT = "export the whole model to ONNX with the output {} and serve that folder"
_IN_PYTHON = "a Python model can run it with sentence-transformers: docs/how-to/python-models.md"

_ADVICE = {
    "LogitScore": "take a checkpoint with one label (…ForSequenceClassification), which many such rerankers were "
    "converted to, or " + _EXPORT.format("logits (n, 1)"),
    "HierarchicalTokenPooling": "take it out of modules.json to have a vector for each token",
    "SparseAutoEncoder": "for the dense vectors take it out of modules.json and set the task feature-extraction; else "
    + _IN_PYTHON,
    "SparseStaticEmbedding": "it is served for the queries of a Router whose documents have a model; " + _IN_PYTHON,
    "BoW": _IN_PYTHON,
    "WordEmbeddings": _IN_PYTHON,
}
"""Kind → what to do instead; for any other, the whole model is exported."""


@dataclass(frozen=True, slots=True)
class Module:
    """One row of modules.json."""

    type: str
    """The class, spelled as in the file."""
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


def parse_modules(folder: Path, content: Any) -> tuple[Module, ...]:
    """The modules that a folder's modules.json lists, in order.

    Raises LoadFailed for content that is not a list of modules, InvalidConfiguration for a path that leaves the folder.
    """
    path = folder / MODULES
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise LoadFailed(f"{path}: is not a list of modules", path=str(path))
    modules = []
    for row in content:
        kind, where = row.get("type"), row.get("path", "")
        if not isinstance(kind, str) or not isinstance(where, str):
            raise LoadFailed(f"{path}: each module needs a `type` and a `path` inside the folder", path=str(path))
        modules.append(Module(kind, inside(folder, where)))
    return tuple(modules)


def refuse_unserved(modules: Iterable[Module], *, are_routed: bool = False) -> None:
    """Raise Unsupported naming the first class of sentence-transformers that no model of Naiad's can have.

    are_routed: the modules stand on routes of a router.
    """
    for module in modules:
        is_lone = module.kind == ONLY_ROUTED and not are_routed
        if not module.is_foreign and (module.kind not in SERVED or is_lone):
            advice = _ADVICE.get(module.kind, _EXPORT.format("sentence_embedding"))
            raise Unsupported(
                f"{module.folder}: the module {module.type} of modules.json is not computed by Naiad: {advice}",
                module=module.type,
            )


def inside(folder: Path, where: str) -> Path:
    """A path below a folder. Raises InvalidConfiguration for one that leads out by its words."""
    pure = PurePosixPath(where)
    if pure.is_absolute() or ".." in pure.parts:
        raise InvalidConfiguration(f"{folder}: the path {shown(where)} leaves the model's folder", path=str(folder))
    if not where.isprintable() or len(where.encode()) > LONGEST_NAME:
        raise InvalidConfiguration(f"{folder}: {shown(where)} is no path inside the model's folder", path=str(folder))
    return folder / where
