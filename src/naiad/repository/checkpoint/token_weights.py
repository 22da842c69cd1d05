"""The table of a SparseStaticEmbedding: one weight for each token of a vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from naiad.core.errors import LoadFailed
from naiad.core.tensor import Array
from naiad.repository.checkpoint.json_files import read_object
from naiad.repository.checkpoint.modules import inside
from naiad.repository.checkpoint.safetensors_file import SafetensorsFile


def read_token_weights(folder: Path, token_id: Callable[[str], int | None]) -> Array:
    """The weights, (vocabulary,) float32, from safetensors or from a JSON file of tokens.

    Raises LoadFailed for weights that are missing or make no sense.
    """
    config = read_object(folder / "config.json")
    if isinstance(config.get("path"), str):
        return _weights_of_tokens(inside(folder, config["path"]), token_id)
    path = folder / "model.safetensors"
    with SafetensorsFile(path) as file:
        if "weight" not in file.names():
            raise LoadFailed(f"{path}: no weight for each token: there is no `weight` in it", path=str(path))
        weights = file.read("weight").astype(np.float32, copy=False)
    if weights.ndim != 1:
        raise LoadFailed(f"{path}: `weight` has shape {weights.shape}, one number for each token is expected")
    return weights


def _weights_of_tokens(path: Path, token_id: Callable[[str], int | None]) -> Array:
    rows = ((token_id(token), weight) for token, weight in read_object(path).items())
    numbers = {number: weight for number, weight in rows if number is not None}
    if not numbers or not all(isinstance(weight, int | float) for weight in numbers.values()):
        raise LoadFailed(f"{path}: must map tokens of the vocabulary to weights", path=str(path))
    weights = np.zeros(max(numbers) + 1, np.float32)
    weights[list(numbers)] = list(numbers.values())
    return weights
