"""Checkpoints in half precision: half the size on disk, computed with in float32 all the same.

Not here: exported graphs (`rewriting/precision.py`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from naiad.convert.encoder.weights import weight_files
from naiad.repository.checkpoint.safetensors_file import SafetensorsFile


def halve_weights(folder: Path) -> None:
    """Store the float32 and BF16 weights of the safetensors in a folder in half precision. Raises LoadFailed."""
    from safetensors.numpy import save_file

    limit = float(np.finfo(np.float16).max)
    for path in weight_files(folder):
        with SafetensorsFile(path) as file:
            tensors = {name: file.read(name) for name in file.names()}
        halved = {
            name: np.asarray(np.clip(array, -limit, limit), np.float16) if array.dtype == np.float32 else array
            for name, array in tensors.items()
        }
        save_file(halved, path, metadata={"format": "pt"})
