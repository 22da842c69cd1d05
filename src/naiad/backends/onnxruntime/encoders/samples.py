"""Texts and images made up for measuring: what a graph takes, of the sizes asked for, wanting one output as usual."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from naiad.backends.onnxruntime.trial.feeds import make_sequences
from naiad.core.encoding.encoder import EncoderItem, EncoderSpec, ImagePixels, TextTokens


class TextSamples:
    """Samples of tokenized texts."""

    def __init__(self, spec: EncoderSpec) -> None:
        self._spec = spec

    def size_near(self, tokens: int) -> int:
        """See `Samples.size_near`: any length that the positions allow."""
        return max(1, min(tokens, self._spec.max_tokens))

    def make(self, sizes: Sequence[int]) -> list[TextTokens]:
        """See `Samples.make`: random tokens of the vocabulary; one row where the head looks at single ones."""
        items = make_sequences(sizes, self._spec)
        for item in items:
            item.outputs = item.outputs[:1]
            item.rows = None if item.rows is None else item.rows[:1]
        return items


class ImageSamples:
    """Samples of images, which all cost the same."""

    def __init__(self, spec: EncoderSpec) -> None:
        self._spec = spec

    def size_near(self, tokens: int) -> int:
        """See `Samples.size_near`: what an image costs."""
        del tokens
        return self._spec.max_tokens

    def make(self, sizes: Sequence[int]) -> list[EncoderItem]:
        """See `Samples.make`: grey images."""
        spec = self._spec
        pixels = np.zeros((spec.channels, spec.height, spec.width), np.float32)
        return [ImagePixels(pixels, (spec.outputs[0].name,), tokens) for tokens in sizes]
