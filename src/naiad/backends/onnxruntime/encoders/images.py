"""What graphs of image encoders take and give: images of one size stacked, and each one's part of the answers.

For graphs of our own builder and for exported ones alike: what differs is said by `PixelPorts`. Not here: how images
are cut and scaled (`naiad.tasks.image`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from naiad.core.datatypes import BY_NAME
from naiad.core.encoding.encoder import EncoderItem, EncoderResult, ImagePixels
from naiad.core.encoding.files import EncoderFiles
from naiad.core.encoding.ports import Ports
from naiad.core.errors import InvalidRequest
from naiad.core.tensor import Array


class ImageForm:
    """A Form of images: all in one run, or each in its own."""

    def __init__(self, files: EncoderFiles, ports: Ports) -> None:
        self._files = files
        self._kind = BY_NAME[ports.types[files.pixels.name]].numpy

    def objection(self, item: EncoderItem) -> InvalidRequest | None:
        """See Form."""
        if not isinstance(item, ImagePixels):
            return InvalidRequest("this model takes images, not texts")
        spec = self._files.spec
        expected = (spec.channels, spec.height, spec.width)
        if item.pixels.shape != expected:
            return InvalidRequest(f"an image has shape {list(item.pixels.shape)}, but the model takes {list(expected)}")
        names = [output.name for output in spec.outputs]
        unknown = [name for name in item.outputs if name not in names]
        return InvalidRequest(f"the encoder has no output '{unknown[0]}'") if unknown else None

    def gather(self, items: Sequence[EncoderItem]) -> list[_Stacked]:
        """See Form."""
        images = [item for item in items if isinstance(item, ImagePixels)]
        groups = [images] if self._files.pixels.batches else [[image] for image in images]
        return [_Stacked(group, self._files, self._kind) for group in groups]


class _Stacked:
    """See Gathered."""

    def __init__(self, images: Sequence[ImagePixels], files: EncoderFiles, kind: np.dtype[np.generic]) -> None:
        self._images = images
        self._pixels = files.pixels
        self._kind = kind
        self._sources = {name: names[0] for name, names in files.sources.items()}
        self._granularity = {output.name: output.granularity for output in files.spec.outputs}
        self.names = sorted({self._source(name) for image in images for name in image.outputs})
        self.size = f"{len(images)} images"

    def feeds(self) -> Mapping[str, Array]:
        stacked = np.stack([image.pixel_values() for image in self._images])
        if self._pixels.channels_last:
            stacked = np.ascontiguousarray(stacked.transpose(0, 2, 3, 1))
        return {self._pixels.name: stacked.astype(self._kind, copy=False)}

    def split(self, arrays: Mapping[str, Array]) -> list[EncoderResult]:
        return [
            {name: self._part(name, arrays[self._source(name)][at]) for name in image.outputs}
            for at, image in enumerate(self._images)
        ]

    def _source(self, name: str) -> str:
        return self._sources.get(name, name)

    def _part(self, name: str, array: Array) -> Array:
        """One image's part of an output, in the shape that the spec promises."""
        if self._granularity[name] != "item":
            return array
        return array[0] if name == "embedding" and self._pixels.first_token else array.reshape(-1)
