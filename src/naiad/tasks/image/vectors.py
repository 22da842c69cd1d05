"""What a sentence-transformers folder says is done to an image's vector after the encoder, and doing it.

modules.json and config_sentence_transformers.json, for models of images and of images and texts. Pooling of an image's
token states, normalisation and `truncate_dim` are done, in this order; anything else is refused by name. Not here:
modules after a text encoder, which are part of its graph (`naiad.convert`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from naiad.core.encoding.encoder import EncoderResult
from naiad.core.errors import Unsupported
from naiad.core.json_values import shown
from naiad.core.tensor import Array
from naiad.repository.checkpoint import Checkpoint, Module, read_object
from naiad.tasks.image.preparing.inputs import IMAGE
from naiad.tasks.parameters import ParameterSpec, flag, whole_number
from naiad.tasks.scores import normalized

VECTOR, STATES = "embedding", "last_hidden_state"
"""Outputs of an encoder: the vector of an item, and the states of all its tokens."""

_FLAGS = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean", "pooling_mode_max_tokens": "max"}
"""The poolings of images. Before version 5.4 of sentence-transformers, the file has a flag for each."""

_GIVES_STATES = ("forward", STATES, "token_embeddings")
"""Method of the model, name in what it returns, and what sentence-transformers' next module calls it."""

_GIVES_VECTOR = tuple(
    (method, output, "sentence_embedding")
    for method, output in (
        ("forward", "pooler_output"),
        ("get_{}_features", "pooler_output"),
        ("get_{}_features", None),
    )
)
"""The same where it is the vector that the encoder gives; {}: text or image."""


@dataclass(frozen=True, slots=True)
class VectorSteps:
    """From an encoder's results to vectors."""

    pooling: str = ""
    """How an image's token states become its vector: cls, mean or max; empty: the encoder's own vector is meant."""
    normalizes: bool = False
    """Whether the checkpoint scales vectors to length one."""
    truncate_dim: int | None = None
    """How many numbers of each vector the checkpoint keeps, from the first; None: all."""

    @property
    def reads(self) -> str:
        """The encoder's output that is needed."""
        return STATES if self.pooling else VECTOR

    def specs(self) -> list[ParameterSpec]:
        """The parameters that `apply` reads."""
        return [whole_number("truncate_dim", self.truncate_dim), flag("normalize", False)]

    def apply(self, results: Sequence[EncoderResult], parameters: Mapping[str, Any]) -> Array:
        """(items, width) float32: the vectors of all items, in their order."""
        vectors: Array = np.stack([self._pool(result[self.reads]) for result in results])
        if self.normalizes:
            vectors = normalized(vectors)
        vectors = vectors[:, : parameters["truncate_dim"]]
        if parameters["normalize"]:
            vectors = normalized(vectors)
        return np.ascontiguousarray(vectors)

    def _pool(self, values: Array) -> Array:
        """(width,) of an item's token states (tokens, width), all of which count; or the vector as it is."""
        match self.pooling:
            case "cls":
                return np.asarray(values[0])
            case "mean":
                return np.asarray(values.mean(axis=0))
            case "max":
                return np.asarray(values.max(axis=0))
            case _:
                return values


def read_vector_steps(checkpoint: Checkpoint, *kinds: str) -> VectorSteps:
    """What a checkpoint's folder says; nothing to do where transformers alone saved it. kinds: text, image.

    Raises Unsupported for modules and options that are not computed, LoadFailed for unreadable files.
    """
    truncate_dim = checkpoint.truncate_dim
    if not checkpoint.modules:
        return VectorSteps(truncate_dim=truncate_dim)
    first, *rest = checkpoint.modules
    pooling = ""
    if _gives_states(checkpoint, first, kinds):
        if not rest or rest[0].kind != "Pooling":
            raise Unsupported(
                f"{checkpoint.folder}: modules.json has no Pooling right after {first.type}, whose "
                "module_output_name is token_embeddings, so it is not known what an image's vector is; add it there"
            )
        pooling = _read_pooling(rest.pop(0))
    for module in rest:
        if module.kind not in ("Normalize", "Dropout"):
            raise _not_computed(module)
    normalizers = [module for module in rest if module.kind == "Normalize"]
    for module in normalizers:
        _check_normalize(module)
    return VectorSteps(pooling, bool(normalizers), truncate_dim)


def _gives_states(checkpoint: Checkpoint, first: Module, kinds: Sequence[str]) -> bool:
    """Whether the first module gives token states instead of a vector. Raises Unsupported where it gives neither.

    Versions before 5.4 say nothing of it: their CLIPModel gives vectors, and their Transformer takes no images.
    """
    if first.kind not in ("CLIPModel", "Transformer"):
        raise _not_computed(first)
    settings = checkpoint.transformer_settings
    ways = settings.get("modality_config")
    if ways is None and first.kind == "CLIPModel":
        return False
    target = settings.get("module_output_name")
    states = []
    for kind in kinds:
        way = ways.get(kind) if isinstance(ways, dict) else None
        found = (way.get("method"), way.get("method_output_name"), target) if isinstance(way, dict) else None
        states.append(found == _GIVES_STATES)
        known = [(method.format(kind), output, name) for method, output, name in _GIVES_VECTOR]
        if found not in known and (found != _GIVES_STATES or kinds != (IMAGE,)):
            raise Unsupported(
                f"{checkpoint.folder}: what {first.type} gives for {kind}s by modality_config and module_output_name "
                f"({shown(found)}) is not computed by Naiad; known: {', '.join(map(str, known))}. To serve the "
                "encoder's own vectors, serve its files in a folder without modules.json",
                module=first.type,
            )
    return any(states)


def _not_computed(module: Module) -> Unsupported:
    return Unsupported(
        f"{module.folder}: the module {module.type} of modules.json is not computed by Naiad for images; known are "
        "CLIPModel and Transformer of sentence_transformers first, then Pooling after token states, Normalize and "
        "Dropout. To serve the vectors before it, remove it from modules.json, and compute it yourself",
        module=module.type,
    )


def _read_pooling(module: Module) -> str:
    path = module.folder / "config.json"
    content = read_object(path, needed=True)
    modes = content.get("pooling_mode")
    if modes is None:
        flags = [name for name, value in content.items() if name.startswith("pooling_mode_") and value]
        modes = [_FLAGS.get(name, name) for name in flags] or ["mean"]
    modes = modes if isinstance(modes, list) else [modes]
    if len(modes) != 1 or modes[0] not in _FLAGS.values():
        raise Unsupported(
            f"{path}: the pooling {', '.join(map(str, modes)) or 'without a mode'} is not computed by Naiad for "
            f"images; known is one of {', '.join(_FLAGS.values())}. Serve the encoder's files in a folder without "
            "modules.json, take last_hidden_state from its raw-tensor view, and pool it yourself",
            module=module.type,
        )
    return str(modes[0])


def _check_normalize(module: Module) -> None:
    """Raise Unsupported for a Normalize of anything but the vector."""
    path = module.folder / "config.json"
    content = read_object(path)
    for name in ("module_input_name", "module_output_name"):
        if content.get(name) not in (None, "sentence_embedding"):
            raise Unsupported(
                f"{path}: {name} is {shown(content[name])}; Naiad normalises the sentence_embedding of an image",
                module=module.type,
            )
