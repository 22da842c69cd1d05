"""Small pictures in memory, in every format and mode that the tests need."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image


def picture(width: int = 40, height: int = 30, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """A picture with large shapes and noise."""
    random = np.random.default_rng(seed)
    down, across = np.mgrid[0:height, 0:width]
    shapes = np.stack([down * 255 // max(1, height - 1), across * 255 // max(1, width - 1), (down * across) % 256], -1)
    noisy = np.clip(shapes + random.integers(-40, 40, shapes.shape), 0, 255).astype(np.uint8)
    made = Image.fromarray(noisy)
    if mode in ("RGBA", "LA"):
        made.putalpha(Image.fromarray(random.integers(0, 255, (height, width)).astype(np.uint8)))
    if mode == "I;16":
        return Image.fromarray(noisy[..., 0].astype(np.uint16) * 255)
    return made.convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of a file."""
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
