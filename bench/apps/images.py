"""The images that the benchmark classifies: 32 JPEG files of mixed sizes, the same on every machine."""

from __future__ import annotations

import io
import random

import numpy as np

COUNT = 32


def make_images(count: int = COUNT) -> list[bytes]:
    """Smooth random pictures of 200 to 640 pixels a side, as JPEG."""
    from PIL import Image

    source = random.Random(20)
    noise = np.random.default_rng(20)
    files = []
    for _ in range(count):
        size = (source.randint(200, 640), source.randint(200, 480))
        coarse = Image.fromarray(noise.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        file = io.BytesIO()
        coarse.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        files.append(file.getvalue())
    return files
