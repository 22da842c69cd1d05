"""What every task of a model of images and texts is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from naiad.core.encoding.encoder import EncoderSpec, TextTokens
from naiad.core.errors import InvalidConfiguration, LoadFailed
from naiad.core.tensor import Array
from naiad.repository.checkpoint import Checkpoint
from naiad.tasks.image.preparing.processor import ImageProcessor
from naiad.tasks.tokenizing.tokenizer import Tokenizer

WANTED = ("embedding",)


@dataclass(frozen=True, slots=True)
class PairParts:
    """A task's name and the things it stands on."""

    name: str
    """The Hub's pipeline tag."""
    checkpoint: Checkpoint
    processor: ImageProcessor
    tokenizer: Tokenizer
    images: EncoderSpec
    texts: EncoderSpec
    options: Mapping[str, Any]
    """Defaults for the parameters, from the manifest or the command line."""

    @property
    def width(self) -> int:
        """Size of a vector. Raises LoadFailed where images and texts have vectors of different sizes."""
        (image,), (text,) = (
            [output.width for output in spec.outputs if output.name == "embedding"]
            for spec in (self.images, self.texts)
        )
        if image != text:
            raise LoadFailed(f"an image's vector has {image} values, a text's {text}: they cannot be compared")
        return image


class TextPreparer:
    """Texts to tokens, as the model's text encoder wants them."""

    def __init__(self, tokenizer: Tokenizer, spec: EncoderSpec) -> None:
        """Raise InvalidConfiguration where the encoder wants padding and the tokenizer has no token for it."""
        self._tokenizer = tokenizer
        self._pad = tokenizer.special_id("pad") if spec.attends_padding else None
        if spec.attends_padding and self._pad is None:
            raise InvalidConfiguration(f"a {spec.architecture} model needs a tokenizer with a padding token")

    def __call__(self, texts: list[str]) -> tuple[list[TextTokens], int]:
        """The tokens of each text, and how many texts were cut. Raises InvalidRequest."""
        rows, cut = self._tokenizer.encode(texts)
        return [TextTokens(self._padded(row), WANTED) for row in rows], cut

    def _padded(self, ids: Array) -> Array:
        if self._pad is None:
            return ids
        return np.pad(ids, (0, self._tokenizer.max_tokens - len(ids)), constant_values=self._pad)
