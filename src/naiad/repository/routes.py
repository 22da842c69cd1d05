"""A Router of sentence-transformers: other modules for queries than for documents.

`router_config.json` (in versions 2 to 4 the `config.json` of an `Asym`) names the modules of each route, each in a
folder of its own below the router's. Not here: what the modules compute.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from naiad.core.errors import InvalidConfiguration, LoadFailed
from naiad.core.tensor import Array
from naiad.repository.modules import Module, read_modules

ROUTERS = frozenset({"Router", "Asym"})


@dataclass(frozen=True, slots=True)
class Routes:
    """The ways through a router."""

    modules: Mapping[str, tuple[Module, ...]]
    """By the route's name: query, document."""
    default: str
    """For texts of which nothing is said; empty where something must be."""


def read_routes(folder: Path) -> Routes | None:
    """The routes of a folder whose first module is a router; None where it is none.

    Raises LoadFailed for a configuration that cannot be read, InvalidConfiguration for paths that leave the folder.
    """
    modules = read_modules(folder)
    if not modules or modules[0].kind not in ROUTERS:
        return None
    where = modules[0].folder
    path = next((where / name for name in ("router_config.json", "config.json") if (where / name).is_file()), None)
    try:
        content = json.loads(path.read_bytes()) if path is not None else {}
        types, structure, parameters = (_object(content, key) for key in ("types", "structure", "parameters"))
        routes = {
            str(route): tuple(Module(str(types[name]), _inside(where, name)) for name in names)
            for route, names in structure.items()
        }
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise LoadFailed(
            f"{path or where}: is not a router's configuration: {error!r}", path=str(path or where)
        ) from error
    if not routes or not all(routes.values()):
        raise LoadFailed(f"{path}: has a route without modules", path=str(path))
    default = parameters.get("default_route")
    if default is None and parameters.get("allow_empty_key", True):
        default = next(iter(routes))
    return Routes(routes, str(default or ""))


def read_token_weights(folder: Path, token_id: Any) -> Array:
    """The weights of a SparseStaticEmbedding, (vocabulary,) float32, from safetensors or a JSON file of tokens.

    token_id: gives a token's number, or None. Raises LoadFailed for weights that are missing or make no sense.
    """
    config = _read_object(folder / "config.json")
    if isinstance(config.get("path"), str):
        return _weights_of_tokens(_inside(folder, config["path"]), token_id)
    from safetensors import SafetensorError, safe_open

    path = folder / "model.safetensors"
    try:
        with safe_open(path, framework="numpy") as file:
            weights = np.asarray(file.get_tensor("weight"), np.float32)
    except (SafetensorError, OSError) as error:
        raise LoadFailed(f"{path}: no weight for each token can be read: {error}", path=str(path)) from error
    if weights.ndim != 1:
        raise LoadFailed(f"{path}: `weight` has shape {weights.shape}, one number for each token is expected")
    return weights


def _weights_of_tokens(path: Path, token_id: Any) -> Array:
    content = _read_object(path)
    numbers = {token_id(token): weight for token, weight in content.items()}
    numbers.pop(None, None)
    if not numbers or not all(isinstance(weight, int | float) for weight in numbers.values()):
        raise LoadFailed(f"{path}: must map tokens of the vocabulary to weights", path=str(path))
    weights = np.zeros(max(numbers) + 1, np.float32)
    weights[list(numbers)] = list(numbers.values())
    return weights


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes()) if path.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise LoadFailed(f"{path}: cannot be read as JSON: {error}", path=str(path)) from error
    return content if isinstance(content, dict) else {}


def _object(content: Any, key: str) -> dict[str, Any]:
    value = content.get(key) or {}
    if not isinstance(value, dict):
        raise TypeError(f"{key} is not an object")
    return value


def _inside(folder: Path, name: str) -> Path:
    if not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise InvalidConfiguration(f"{folder}: the path {name!r} leaves the folder", path=str(folder))
    return folder / name
