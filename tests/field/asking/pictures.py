"""The pictures that every image model is asked: files of several kinds, sizes and colour modes."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np


@cache
def pictures() -> tuple[bytes, ...]:
    """A photograph's size as JPEG, a small upright PNG, grey, transparent, a palette, a wide WebP."""
    from PIL import Image

    kinds: tuple[tuple[str, str, tuple[int, int]], ...] = (
        ("JPEG", "RGB", (640, 480)),
        ("PNG", "RGB", (90, 170)),
        ("PNG", "L", (224, 224)),
        ("PNG", "RGBA", (300, 260)),
        ("GIF", "P", (128, 96)),
        ("WEBP", "RGB", (900, 250)),
    )
    files = []
    for number, (format_, mode, size) in enumerate(kinds):
        image = Image.fromarray(_pattern(number, size)).convert(mode)
        if mode == "RGBA":
            image.putalpha(Image.linear_gradient("L").resize(size))
        file = io.BytesIO()
        image.save(file, format_, **({"lossless": True} if format_ == "WEBP" else {}))
        files.append(file.getvalue())
    return tuple(files)


def _pattern(number: int, size: tuple[int, int]) -> Any:
    """Waves of three colours with some noise: edges and gradients that resizing changes."""
    width, height = size
    across, down = np.meshgrid(np.linspace(0, 6 + number, width), np.linspace(0, 4, height))
    waves = [np.sin(across * (1 + band)) + np.cos(down * (2 + band) + number) for band in range(3)]
    noise = np.random.default_rng(number).normal(0, 0.2, (height, width, 3))
    return np.clip((np.stack(waves, axis=-1) + noise) * 60 + 128, 0, 255).astype(np.uint8)
