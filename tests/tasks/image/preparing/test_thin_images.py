"""A thin image of a few bytes must not become a huge one while it is resized or cropped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import encoded, picture
from PIL import Image

from naiad.core.encoding.encoder import EncoderSpec
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest
from naiad.core.tensor import bytes_tensor
from naiad.tasks.image.preparing import processor
from naiad.tasks.image.preparing.inputs import prepare_images
from naiad.tasks.image.preparing.processor import ImageProcessor, center_crop
from naiad.tasks.image.preparing.settings import read_image_settings

CLIP = {"image_processor_type": "CLIPImageProcessor", "size": 224, "crop_size": 224}
SQUARE = {"image_processor_type": "ViTImageProcessor", "size": 224}
CONVNEXT = {"image_processor_type": "ConvNextImageProcessor", "size": 224}
CROP = {"image_processor_type": "ViTImageProcessor", "do_resize": False, "do_center_crop": True, "crop_size": 224}
LONGEST = {"image_processor_type": "ViTImageProcessor", "size": {"shortest_edge": 32, "longest_edge": 50}}


def make(folder: Path, content: dict[str, Any], side: int = 224) -> ImageProcessor:
    (folder / "preprocessor_config.json").write_text(json.dumps(content))
    return ImageProcessor(
        read_image_settings(folder, ""), EncoderSpec("", "", (), 1, channels=3, height=side, width=side)
    )


def thin(width: int, height: int) -> bytes:
    """A PNG of one colour: a few hundred bytes."""
    return encoded(Image.new("RGB", (width, height), (5, 6, 7)))


@pytest.mark.parametrize(
    ("content", "size", "message"),
    [
        (CLIP, (100_000, 1), r"from 1 x 100000 pixels to 224 x 22400000 \(height x width\) takes more than 64,000,000"),
        (CLIP, (1, 100_000), r"from 100000 x 1 pixels to 22400000 x 224 .* takes more than 64,000,000 pixels; send"),
        (CONVNEXT, (100_000, 1), "from 1 x 100000 pixels to 256 x 25600000"),
        (CONVNEXT, (1, 100_000), "from 100000 x 1 pixels to 25600000 x 256"),
        (SQUARE, (1, 300_000), "from 300000 x 1 pixels to 224 x 224"),
        (LONGEST, (100_000, 1), r"it cannot be resized from 1 x 100000 pixels to 0 x 50"),
        (LONGEST, (1, 100_000), r"it cannot be resized from 100000 x 1 pixels to 50 x 0"),
    ],
)
def test_too_thin(content: dict[str, Any], size: tuple[int, int], message: str, tmp_path: Path) -> None:
    data = thin(*size)
    assert len(data) < 3000
    with pytest.raises(InvalidRequest, match=message):
        make(tmp_path, content)(data, ())


@pytest.mark.parametrize("turned", [False, True])
def test_up_to_the_limit(turned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """8 pixels become 224 x 1792: as many as are allowed, and one more than that."""
    prepare = make(tmp_path, CLIP)
    size = (1, 8) if turned else (8, 1)
    monkeypatch.setattr(processor, "MAX_PIXELS", 224 * 8 * 224)
    assert prepare(encoded(picture(*size)), ()).pixel_values().shape == (3, 224, 224)
    monkeypatch.setattr(processor, "MAX_PIXELS", 224 * 8 * 224 - 1)
    with pytest.raises(InvalidRequest, match="send one that is less thin"):
        prepare(encoded(picture(*size)), ())


@pytest.mark.parametrize("size", [(300_000, 1), (250_000, 10)])
def test_a_square_of_a_wide_image(size: tuple[int, int], tmp_path: Path) -> None:
    """Its rows become narrow first, which takes nothing."""
    assert make(tmp_path, SQUARE)(thin(*size), ()).pixel_values().shape == (3, 224, 224)


@pytest.mark.parametrize("size", [(60_000_000, 1), (1, 60_000_000)])
def test_a_crop_alone_takes_no_more_than_the_crop(size: tuple[int, int]) -> None:
    """A border around the whole image would take 40 GB."""
    pixels = np.broadcast_to(np.uint8(9), (size[1], size[0], 3))
    cropped = center_crop(pixels, 224, 224)
    assert cropped.shape == (224, 224, 3)
    assert int((cropped == 9).sum()) == 224 * 3


def test_a_crop_alone_of_a_thin_file(tmp_path: Path) -> None:
    assert make(tmp_path, CROP)(thin(1, 100_000), ()).pixel_values().shape == (3, 224, 224)


def test_the_error_names_the_image_and_others_are_prepared(tmp_path: Path) -> None:
    prepare = make(tmp_path, CLIP)
    good, bad = encoded(picture()), thin(100_000, 1)
    with pytest.raises(InvalidRequest, match="input 'image': element 1: resizing it") as caught:
        prepare_images(asking(good, bad, good), prepare, ())
    assert caught.value.detail["element"] == 1
    assert len(prepare_images(asking(good, good), prepare, ())) == 2


def asking(*files: bytes) -> InferRequest:
    return InferRequest("m", inputs={"image": bytes_tensor("image", list(files), (len(files),))})
