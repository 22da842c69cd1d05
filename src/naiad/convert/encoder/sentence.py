"""What a sentence-transformers folder says happens after the body: pooling, dense layers, normalisation.

`modules.json` lists the modules in order, each with a folder of its own. Not here: the graph of them (`heads/`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naiad.core.errors import InvalidConfiguration, LoadFailed, Unsupported

MODULES = "modules.json"

POOLINGS = ("cls", "max", "mean", "mean_sqrt_len", "weightedmean", "lasttoken")
"""In the order in which sentence-transformers joins them where several are on."""

_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}

_SYNONYMS = {"mean_sqrt_len_tokens": "mean_sqrt_len"}

_DENSE_ACTIVATIONS = {"Identity": "", "Tanh": "tanh", "ReLU": "relu", "GELU": "gelu", "SiLU": "silu"}


@dataclass(frozen=True, slots=True)
class DenseModule:
    """One dense layer behind the pooling."""

    folder: Path
    inputs: int
    outputs: int
    has_bias: bool
    activation: str
    """Empty for none."""


@dataclass(frozen=True, slots=True)
class SentenceModules:
    """What turns token states into one embedding."""

    poolings: tuple[str, ...] = ("mean",)
    """Joined in this order where there is more than one."""
    dense: tuple[DenseModule, ...] = ()
    normalize: bool = False


def has_pooling(folder: Path) -> bool:
    """Whether the folder describes a sentence embedding model."""
    return any(_kind(module) == "Pooling" for module in _modules(folder))


def body_folder(folder: Path) -> Path:
    """Where the body's config.json lies: the folder itself, or the sub-folder that modules.json names."""
    if (folder / "config.json").is_file():
        return folder
    for module in _modules(folder):
        if _kind(module) == "Transformer":
            return _inside(folder, module)
    return folder


def read_sentence_modules(folder: Path) -> SentenceModules:
    """Pooling, dense layers and normalisation of a folder; mean pooling alone where it says nothing.

    Raises Unsupported for modules that the graph does not compute, LoadFailed for unreadable files.
    """
    poolings: tuple[str, ...] | None = None
    dense: list[DenseModule] = []
    normalize = False
    for module in _modules(folder):
        kind = _kind(module)
        if normalize and kind != "Dropout":
            raise Unsupported(f"{folder / MODULES}: the module {kind} after Normalize is not converted by Naiad itself")
        if kind == "Pooling":
            poolings = _read_poolings(_inside(folder, module) / "config.json")
        elif kind == "Dense":
            dense.append(_read_dense(_inside(folder, module)))
        elif kind == "Normalize":
            normalize = True
        elif kind not in {"Transformer", "Dropout"}:
            raise Unsupported(
                f"{folder / MODULES}: the module {kind} is not converted by Naiad itself; known: Transformer, Pooling, "
                "Dense, Dropout, Normalize",
                module=kind,
            )
    return SentenceModules(poolings or ("mean",), tuple(dense), normalize)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of the checkpoint. Raises LoadFailed naming the file."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise LoadFailed(f"{path}: cannot be read as JSON: {error}", path=str(path)) from error
    if not isinstance(content, dict):
        raise LoadFailed(f"{path}: holds no JSON object", path=str(path))
    return content


def _modules(folder: Path) -> list[Mapping[str, Any]]:
    path = folder / MODULES
    if not path.is_file():
        return []
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise LoadFailed(f"{path}: cannot be read as JSON: {error}", path=str(path)) from error
    if not isinstance(content, list) or not all(isinstance(module, dict) for module in content):
        raise LoadFailed(f"{path}: is not a list of modules", path=str(path))
    return content


def _kind(module: Mapping[str, Any]) -> str:
    return str(module.get("type", "")).rpartition(".")[2]


def _inside(folder: Path, module: Mapping[str, Any]) -> Path:
    path = (folder / str(module.get("path", ""))).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InvalidConfiguration(f"{folder / MODULES}: the path {module.get('path')!r} leaves the model's folder")
    return folder / str(module.get("path", ""))


def _read_poolings(path: Path) -> tuple[str, ...]:
    content = read_json(path)
    modes = content.get("pooling_mode")
    if modes is None:
        chosen = [mode for flag, mode in _FLAGS.items() if content.get(flag)]
    else:
        chosen = [_SYNONYMS.get(mode, mode) for mode in ([modes] if isinstance(modes, str) else modes)]
    unknown = [mode for mode in chosen if mode not in POOLINGS]
    if unknown or not chosen:
        raise Unsupported(f"{path}: pooling {unknown or 'none'} is not known; known: {', '.join(POOLINGS)}")
    return tuple(mode for mode in POOLINGS if mode in chosen)


def _read_dense(folder: Path) -> DenseModule:
    content = read_json(folder / "config.json")
    name = str(content.get("activation_function", "Identity")).rpartition(".")[2]
    if name not in _DENSE_ACTIVATIONS:
        raise Unsupported(
            f"{folder / 'config.json'}: activation_function {name} is not known; known: {', '.join(_DENSE_ACTIVATIONS)}"
        )
    inputs, outputs = content.get("in_features"), content.get("out_features")
    if not isinstance(inputs, int) or not isinstance(outputs, int):
        raise LoadFailed(f"{folder / 'config.json'}: in_features and out_features must be whole numbers")
    return DenseModule(folder, inputs, outputs, bool(content.get("bias", True)), _DENSE_ACTIVATIONS[name])
