"""Prepared images equal those of transformers' image processors on Pillow, bit for bit."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import encoded, picture

from naiad.core.encoding.encoder import EncoderSpec
from naiad.tasks.image.preparing.processor import ImageProcessor
from naiad.tasks.image.preparing.settings import read_image_settings

pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

MODULES = {
    "ViT": "vit",
    "DeiT": "deit",
    "Beit": "beit",
    "CLIP": "clip",
    "ChineseCLIP": "chinese_clip",
    "Bit": "bit",
    "Siglip": "siglip",
    "ConvNext": "convnext",
    "Pvt": "pvt",
    "Levit": "levit",
    "MobileNetV1": "mobilenet_v1",
    "MobileNetV2": "mobilenet_v2",
    "MobileViT": "mobilevit",
    "EfficientNet": "efficientnet",
}

SHAPES = [(40, 30), (30, 40), (64, 64), (7, 50), (500, 333), (1, 1)]
"""Width and height of the pictures."""


def check(name: str, content: dict[str, Any], folder: Path, shapes: list[tuple[int, int]] = SHAPES) -> None:
    module = importlib.import_module(f"transformers.models.{MODULES[name]}.image_processing_pil_{MODULES[name]}")
    theirs = getattr(module, f"{name}ImageProcessorPil").from_dict(dict(content))
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_processor_type": f"{name}ImageProcessor", **content})
    )
    settings = read_image_settings(folder, "")
    for shape in shapes:
        image = picture(*shape)
        expected = theirs(image, return_tensors="np")["pixel_values"][0]
        spec = EncoderSpec("", "", (), 1, channels=3, height=expected.shape[1], width=expected.shape[2])
        assert settings.output_size in (None, expected.shape[1:])
        made = ImageProcessor(settings, spec)(encoded(image), ()).pixel_values()
        assert made.dtype == np.float32
        assert np.array_equal(np.asarray(expected, np.float32), made), (shape, np.abs(expected - made).max())


@pytest.mark.parametrize("name", MODULES)
def test_defaults(name: str, tmp_path: Path) -> None:
    check(name, {}, tmp_path, [(40, 30), (500, 333)])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ViT", {"size": 48}),
        ("ViT", {"size": {"height": 40, "width": 56}, "resample": 0}),
        ("ViT", {"size": {"shortest_edge": 33}, "do_center_crop": True, "crop_size": 32}),
        ("ViT", {"size": {"shortest_edge": 32, "longest_edge": 50}}),
        ("ViT", {"do_resize": False}),
        ("ViT", {"do_resize": False, "do_center_crop": True, "crop_size": {"height": 33, "width": 48}}),
        ("ViT", {"size": 32, "do_rescale": False}),
        ("ViT", {"size": 32, "do_normalize": False}),
        ("ViT", {"size": 32, "do_rescale": False, "do_normalize": False}),
        ("ViT", {"size": 32, "rescale_factor": 0.00784313725490196}),
        ("ViT", {"size": 32, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}),
        ("ViT", {"size": 32, "image_mean": 0.4, "image_std": 0.3}),
        ("CLIP", {"size": 32, "crop_size": 32}),
        ("CLIP", {"size": {"shortest_edge": 40}, "crop_size": {"height": 31, "width": 28}}),
        ("CLIP", {"size": {"height": 20, "width": 20}, "crop_size": 25}),
        ("CLIP", {"size": 32, "default_to_square": True, "do_center_crop": False}),
        ("Bit", {"size": {"shortest_edge": 64}, "crop_size": {"height": 56, "width": 56}}),
        ("DeiT", {"size": 73, "crop_size": 64, "resample": 3}),
        ("DeiT", {"size": 32, "do_center_crop": False}),
        ("Beit", {"size": 32, "crop_size": 30, "do_center_crop": True, "do_reduce_labels": True}),
        ("ConvNext", {"size": 56, "crop_pct": 0.875}),
        ("ConvNext", {"size": {"shortest_edge": 48}, "crop_pct": 0.95, "resample": 2}),
        ("ConvNext", {"size": 400}),
        ("Levit", {"size": 28, "crop_size": 28}),
        ("MobileViT", {"size": 36, "crop_size": 32, "do_flip_channel_order": False}),
        ("EfficientNet", {"size": 32, "include_top": False}),
        ("EfficientNet", {"size": 32, "rescale_offset": True, "rescale_factor": 0.00784313725490196}),
        *(("Siglip", {"size": {"height": 24, "width": 24}, "resample": number}) for number in range(6)),
    ],
)
def test_options(name: str, content: dict[str, Any], tmp_path: Path) -> None:
    check(name, content, tmp_path)
