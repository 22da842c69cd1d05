"""An image to the pixels that a model takes, by its checkpoint's settings: resize, crop, and what each value means.

Equal to transformers' image processors on Pillow, value for value. The last two steps, rescaling and normalising, map
each of 256 values of a channel to one number; that table is made once, and looked up when the image runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from naiad.core.encoding.encoder import EncoderSpec, ImagePixels
from naiad.core.errors import InvalidConfiguration, InvalidRequest
from naiad.core.tensor import Array
from naiad.tasks.image.preparing.decoding import MAX_PIXELS, open_image
from naiad.tasks.image.preparing.settings import ImageSettings

if TYPE_CHECKING:
    from PIL.Image import Image

CHANNELS = 3

NO_CROP_FROM = 384
"""ConvNext: from this size on, images are pressed into a square instead of being cropped."""


class ImageProcessor:
    """Prepares images for one model; has no state, so any thread may call it."""

    def __init__(self, settings: ImageSettings, spec: EncoderSpec) -> None:
        """Raise InvalidConfiguration for a model that does not take RGB images."""
        if spec.channels != CHANNELS:
            raise InvalidConfiguration(
                f"the model takes images of {spec.channels} channels; only RGB images are prepared. Send "
                "`pixel_values` to its raw-tensor view"
            )
        self._settings = settings
        self._shape = (spec.channels, spec.height, spec.width)
        self._tokens = spec.max_tokens
        self._values = _value_table(settings)

    def __call__(self, data: bytes, outputs: tuple[str, ...]) -> ImagePixels:
        """The pixels of one image file. Raises InvalidRequest saying what is wrong with it."""
        pixels = np.ascontiguousarray(self._cut(self._resize(open_image(data))).transpose(2, 0, 1))
        if pixels.shape != self._shape:
            height, width = self._shape[1:]
            raise InvalidRequest(
                f"preprocessor_config.json makes it {pixels.shape[1]} x {pixels.shape[2]}, but the model takes "
                f" {height} x {width} (height x width)"
            )
        return ImagePixels(pixels, outputs, self._tokens, self._values)

    def _resize(self, image: Image) -> Array:
        """(height, width, channels) uint8. Raises InvalidRequest for an image too thin to be resized."""
        settings = self._settings
        if settings.resize is not None:
            height, width = resized(settings, image.height, image.width)
            _check_resized(image, height, width)
            image = image.resize((width, height), resample=settings.resample)
        pixels = np.asarray(image)
        if settings.crop_share and settings.resize is not None and settings.resize["shortest_edge"] < NO_CROP_FROM:
            side = settings.resize["shortest_edge"]
            pixels = center_crop(pixels, side, side)
        return pixels[..., ::-1] if settings.flips_channels else pixels

    def _cut(self, pixels: Array) -> Array:
        return pixels if self._settings.crop is None else center_crop(pixels, *self._settings.crop)


def resized(settings: ImageSettings, height: int, width: int) -> tuple[int, int]:
    """Height and width to which an image is resized."""
    size = settings.resize
    assert size is not None
    if settings.crop_share:
        edge = size["shortest_edge"]
        return _by_shorter_edge(height, width, int(edge / settings.crop_share)) if edge < NO_CROP_FROM else (edge, edge)
    if "height" in size:
        return size["height"], size["width"]
    if "longest_edge" in size:
        return _within(height, width, size["shortest_edge"], size["longest_edge"])
    return _by_shorter_edge(height, width, size["shortest_edge"])


def center_crop(pixels: Array, height: int, width: int) -> Array:
    """The middle of an image (rows, columns, channels); black is put around what is smaller."""
    rows, columns = pixels.shape[:2]
    top, left = (rows - height) // 2, (columns - width) // 2
    kept = pixels[max(0, top) : max(0, top) + height, max(0, left) : max(0, left) + width]
    if kept.shape[:2] == (height, width):
        return kept
    canvas = np.zeros((height, width, pixels.shape[2]), pixels.dtype)
    above, beside = max(0, -top), max(0, -left)  # an odd row more goes above, as in transformers
    canvas[above : above + kept.shape[0], beside : beside + kept.shape[1]] = kept
    return canvas


def _check_resized(image: Image, height: int, width: int) -> None:
    """Raise InvalidRequest for an image that cannot be resized, or only by way of a huge one.

    Pillow gives all rows the new width before it gives all columns the new height.
    """
    sizes = f"{image.height} x {image.width} pixels to {height} x {width} (height x width)"
    if min(height, width) < 1:
        raise InvalidRequest(f"it cannot be resized from {sizes}; send one that is less thin")
    if max(height, image.height) * width > MAX_PIXELS:
        raise InvalidRequest(
            f"resizing it from {sizes} takes more than {MAX_PIXELS:,} pixels; send one that is less thin"
        )


def _by_shorter_edge(height: int, width: int, edge: int) -> tuple[int, int]:
    if width <= height:
        return int(edge * height / width), edge
    return edge, int(edge * width / height)


def _within(height: int, width: int, edge: int, longest: int) -> tuple[int, int]:
    """DETR's way: the shorter edge decides, unless the longer one would become too long."""
    exact: float = edge
    short, long = min(height, width), max(height, width)
    if long / short * edge > longest:
        exact = longest * short / long
        edge = round(exact)
    if short == edge:
        return height, width
    if width < height:
        return int(exact * height / width), edge
    return edge, int(exact * width / height)


def _value_table(settings: ImageSettings) -> Array:
    """(channels, 256) float32: what the graph gets for each value."""
    steps = np.arange(256)
    values: Array = np.broadcast_to(steps.astype(np.float32), (CHANNELS, 256))
    if settings.rescale is not None:
        values = np.broadcast_to((steps.astype(np.float64) * settings.rescale).astype(np.float32), (CHANNELS, 256))
        values = values + np.float32(settings.offset)
    if settings.mean is not None and settings.std is not None:
        values = (values - _column(settings.mean)) / _column(settings.std)
    if settings.second_std is not None:
        values = values / _column(settings.second_std)
    return np.ascontiguousarray(values, np.float32)


def _column(numbers: tuple[float, ...]) -> Array:
    return np.array(numbers, np.float32)[:, None]
