"""Checkpoints in half precision: half the size on disk, computed with in float32 all the same.

Not here: exported graphs (`rewriting/precision.py`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from naiad.convert.encoder.weights import weight_files
from naiad.core.errors import LoadFailed


def halve_weights(folder: Path) -> None:
    """Store the float32 weights of the safetensors in a folder in half precision. Raises LoadFailed."""
    from safetensors.numpy import load_file, save_file

    limit = float(np.finfo(np.float16).max)
    for path in weight_files(folder):
        try:
            tensors = load_file(path)
        except Exception as error:  # safetensors' own, and numpy's for types that it does not have
            raise LoadFailed(f"{path}: its weights cannot be halved: {error}", path=str(path)) from error
        halved = {
            name: np.clip(array, -limit, limit).astype(np.float16) if array.dtype == np.float32 else array
            for name, array in tensors.items()
        }
        save_file(halved, path, metadata={"format": "pt"})
