"""Weights in half precision: of every shape, within its range."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from naiad.convert.halved import halve_weights


def test_scalars_and_large_and_whole_numbers(tmp_path: Path) -> None:
    """CLIP's `logit_scale` has no axis."""
    weights = {
        "logit_scale": np.array(2.6592, np.float32),
        "w": np.array([[1e6, -1e6, 0.5]], np.float32),
        "position_ids": np.arange(3),
    }
    save_file(weights, tmp_path / "model.safetensors")
    halve_weights(tmp_path)
    halved = load_file(tmp_path / "model.safetensors")
    assert {name: (array.dtype.name, array.shape) for name, array in halved.items()} == {
        "logit_scale": ("float16", ()),
        "w": ("float16", (1, 3)),
        "position_ids": ("int64", (3,)),
    }
    assert halved["w"].tolist() == [[65504.0, -65504.0, 0.5]]
    assert abs(float(halved["logit_scale"]) - 2.6592) < 1e-3
