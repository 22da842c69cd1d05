"""preprocessor_config.json, in the spellings of all versions of transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import LoadFailed, NaiadError, Unsupported
from naiad.tasks.image.preparing.settings import ImageSettings, has_image_settings, read_image_settings


def read(folder: Path, content: Any, model_type: str = "vit") -> ImageSettings:
    (folder / "preprocessor_config.json").write_text(json.dumps(content))
    return read_image_settings(folder, model_type)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"image_processor_type": "ViTImageProcessor", "size": 96}, (96, 96)),
        ({"image_processor_type": "ViTImageProcessorFast", "size": {"height": 96, "width": 64}}, (96, 64)),
        ({"image_processor_type": "ViTImageProcessor", "size": [96, 64]}, (96, 64)),
        ({"feature_extractor_type": "ViTFeatureExtractor"}, (224, 224)),
        ({"size": 384}, (384, 384)),
        ({"image_processor_type": "CLIPImageProcessor", "size": 336, "crop_size": 336}, (336, 336)),
        ({"image_processor_type": "CLIPImageProcessor", "crop_size": {"height": 80, "width": 90}}, (80, 90)),
        ({"image_processor_type": "CLIPImageProcessor", "do_center_crop": False}, None),
        ({"image_processor_type": "DeiTImageProcessor"}, (224, 224)),
        ({"image_processor_type": "DeiTImageProcessor", "do_center_crop": False}, (256, 256)),
        ({"image_processor_type": "ConvNextImageProcessor", "size": 224}, (224, 224)),
        ({"image_processor_type": "SiglipImageProcessor", "size": 64}, None),
        ({"image_processor_type": "ViTImageProcessor", "do_resize": False}, None),
        ({"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 256}, "crop_size": None}, (224, 224)),
        ({"image_processor_type": "ViTImageProcessor", "size": {"shortest_edge": 9, "longest_edge": 20}}, None),
    ],
)
def test_sizes(content: dict[str, Any], expected: tuple[int, int] | None, tmp_path: Path) -> None:
    assert expected == read(tmp_path, content).output_size


def test_null_means_the_default(tmp_path: Path) -> None:
    silent = {"image_processor_type": "CLIPImageProcessor"}
    nulls = {**silent, "do_resize": None, "image_mean": None, "resample": None, "rescale_factor": None}
    assert read(tmp_path, silent) == read(tmp_path, nulls)


def test_steps_can_be_left_out(tmp_path: Path) -> None:
    settings = read(tmp_path, {"do_resize": False, "do_rescale": False, "do_normalize": False})
    assert (settings.resize, settings.rescale, settings.mean, settings.std) == (None, None, None, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"image_processor_type": "Siglip2ImageProcessor"}, r"Siglip2ImageProcessor is not known; known: ViTImage"),
        ({"image_processor_type": "DetrImageProcessor"}, "DetrImageProcessor is not known"),
        ({"auto_map": {"AutoImageProcessor": "x.Mine"}, "image_processor_type": "Mine"}, "Mine is not known"),
        ({"do_pad": True}, "do_pad"),
        ({"size": "224"}, "size is '224'; Naiad takes a number"),
        ({"size": {"longest_edge": 224}}, "size is"),
        ({"size": 0}, "size is 0"),
        ({"size": True}, "size is True"),
        ({"crop_size": {"shortest_edge": 2}, "do_center_crop": True}, "crop_size is"),
        ({"resample": 9}, "resample is 9; Naiad takes one of Pillow's filters"),
        ({"image_mean": [0.5, 0.5]}, "image_mean is .*three numbers"),
        ({"image_std": ["a", 1, 2]}, "image_std is"),
        ({"rescale_factor": -1}, "rescale_factor is -1"),
        ({"do_resize": "yes"}, "do_resize is 'yes'; Naiad takes true or false"),
    ],
)
def test_what_is_not_known_is_refused_by_name(content: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=message):
        read(tmp_path, content)


def test_a_file_without_a_class_of_a_model_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="none, and the model is of type 'poolformer'"):
        read(tmp_path, {"size": 224}, "poolformer")


def test_a_missing_file(tmp_path: Path) -> None:
    assert not has_image_settings(tmp_path)
    with pytest.raises(LoadFailed, match=r"there is no preprocessor_config\.json.*AutoImageProcessor"):
        read_image_settings(tmp_path, "vit")


@pytest.mark.parametrize("text", ["{", "[]", "null"])
def test_a_broken_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(NaiadError):
        read_image_settings(tmp_path, "vit")


def test_the_file_of_models_of_images_and_texts(tmp_path: Path) -> None:
    """Newer versions of transformers write one file for both processors."""
    nested = {"image_processor": {"image_processor_type": "CLIPImageProcessor"}, "processor_class": "CLIPProcessor"}
    (tmp_path / "processor_config.json").write_text(json.dumps(nested))
    assert has_image_settings(tmp_path)
    assert read_image_settings(tmp_path, "clip").output_size == (224, 224)
