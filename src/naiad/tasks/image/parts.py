"""What every task of an image model is made from."""

from __future__ import annotations

from dataclasses import dataclass

from naiad.tasks.image.preparing.processor import ImageProcessor
from naiad.tasks.parts import Parts


@dataclass(frozen=True, slots=True)
class ImageParts(Parts):
    """A task's name and what it stands on."""

    processor: ImageProcessor
