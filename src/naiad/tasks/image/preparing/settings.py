"""What a checkpoint says of how its images are prepared: preprocessor_config.json, read as transformers reads it.

The class that the file names decides what it means where it is silent; a class that is not in the table is refused. Not
here: doing it (`processor.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naiad.core.encoding.encoder import LARGEST_IMAGE
from naiad.core.errors import LoadFailed, Unsupported
from naiad.core.json_values import is_number, is_whole, shown
from naiad.repository.checkpoint import read_object

FILE, PROCESSOR_FILE = "preprocessor_config.json", "processor_config.json"
"""The second is what newer versions of transformers write for models of images and texts."""

Triple = tuple[float, ...]

_HALF: Triple = (0.5, 0.5, 0.5)
_IMAGENET: tuple[Triple, Triple] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CLIP: tuple[Triple, Triple] = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))

BILINEAR, BICUBIC = 2, 3


@dataclass(frozen=True, slots=True)
class Class:
    """What one class of image processor does where its file is silent."""

    size: Mapping[str, int]
    mean: Triple = _HALF
    std: Triple = _HALF
    resample: int = BICUBIC
    squares: bool = True
    """A size of one number means a square; else the shorter edge."""
    crop: int = 0
    """Height and width of the crop; 0: no crop unless the file wants one."""
    kind: str = ""
    """What it does in a way of its own: convnext, levit, efficientnet, mobilevit."""


_SQUARE = {"height": 224, "width": 224}
_SHORT = {"shortest_edge": 224}
_CLIP_CLASS = Class(_SHORT, *_CLIP, squares=False, crop=224)

CLASSES: dict[str, Class] = {
    "ViT": Class(_SQUARE, resample=BILINEAR),
    "DeiT": Class({"height": 256, "width": 256}, crop=224),
    "Beit": Class(_SQUARE),
    "CLIP": _CLIP_CLASS,
    "ChineseCLIP": _CLIP_CLASS,
    "Bit": _CLIP_CLASS,
    "Siglip": Class(_SQUARE, squares=False),
    "ConvNext": Class({"shortest_edge": 384}, squares=False, kind="convnext"),
    "Pvt": Class(_SQUARE, *_IMAGENET),
    "Levit": Class(_SHORT, *_IMAGENET, squares=False, crop=224, kind="levit"),
    "MobileNetV1": Class({"shortest_edge": 256}, resample=BILINEAR, squares=False, crop=224),
    "MobileNetV2": Class({"shortest_edge": 256}, resample=BILINEAR, squares=False, crop=224),
    "MobileViT": Class(_SHORT, squares=False, crop=256, kind="mobilevit"),
    "EfficientNet": Class({"height": 346, "width": 346}, kind="efficientnet"),
}
"""Keyed by the class's name without `ImageProcessor`, or `FeatureExtractor` as it was called before."""

_BY_MODEL = {
    "vit": "ViT",
    "swin": "ViT",
    "swinv2": "ViT",
    "deit": "DeiT",
    "beit": "Beit",
    "data2vec-vision": "Beit",
    "dinov2": "Bit",
    "dinov2_with_registers": "Bit",
    "bit": "Bit",
    "clip": "CLIP",
    "clip_vision_model": "CLIP",
    "siglip": "Siglip",
    "siglip_vision_model": "Siglip",
    "convnext": "ConvNext",
    "convnextv2": "ConvNext",
    "resnet": "ConvNext",
    "regnet": "ConvNext",
    "levit": "Levit",
    "mobilenet_v1": "MobileNetV1",
    "mobilenet_v2": "MobileNetV2",
    "mobilevit": "MobileViT",
    "mobilevitv2": "MobileViT",
    "efficientnet": "EfficientNet",
}
"""config.json's `model_type` → the class, for old files that name none."""


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """How images are prepared."""

    resize: Mapping[str, int] | None
    """`height` and `width`, or `shortest_edge` with or without `longest_edge`; None: as they are."""
    resample: int
    """Pillow's number of the filter."""
    crop: tuple[int, int] | None
    """Height and width that are cut from the middle; a smaller image gets a black border."""
    crop_share: float
    """ConvNext: share of the shorter edge that is kept; 0: another class."""
    rescale: float | None
    """Factor for the values 0 to 255."""
    offset: float
    """Added after it."""
    mean: Triple | None
    std: Triple | None
    """Taken off and divided by, for each channel; None: not."""
    second_std: Triple | None
    """EfficientNet divides once more."""
    flips_channels: bool
    """MobileViT: blue, green, red."""

    @property
    def output_size(self) -> tuple[int, int] | None:
        """Height and width of all images when they are ready; None where that depends on the image."""
        if self.crop is not None:
            return self.crop
        if self.resize is None:
            return None
        if self.crop_share:
            return self.resize["shortest_edge"], self.resize["shortest_edge"]
        return (self.resize["height"], self.resize["width"]) if "height" in self.resize else None


def has_image_settings(folder: Path) -> bool:
    """Whether a checkpoint's folder says how its images are prepared."""
    return (folder / FILE).is_file() or bool(_nested(folder))


def read_image_settings(folder: Path, model_type: str) -> ImageSettings:
    """The settings of the checkpoint in `folder`.

    Raises LoadFailed for a file that is missing or wrong, Unsupported for a class or an option that is not known.
    """
    path = folder / FILE
    content = read_object(path) if path.is_file() else _nested(folder)
    if not content:
        raise LoadFailed(
            f"{folder}: there is no {FILE}, so it is not known how images are prepared for this model; save it there "
            "with AutoImageProcessor.from_pretrained(…).save_pretrained(…), or copy that of the model it was made from",
            path=str(path),
        )
    return _Reader(content, _find_class(content, model_type), path).settings()


def _nested(folder: Path) -> dict[str, Any]:
    found = read_object(folder / PROCESSOR_FILE).get("image_processor")
    return found if isinstance(found, dict) else {}


def _find_class(content: Mapping[str, Any], model_type: str) -> Class:
    named = content.get("image_processor_type") or content.get("feature_extractor_type")
    if named is None:
        name = _BY_MODEL.get(model_type, "")
        named = f"(none, and the model is of type '{model_type}')"
    else:
        name = str(named).removesuffix("Fast").removesuffix("Pil")
        name = name.removesuffix("ImageProcessor").removesuffix("FeatureExtractor")
    if name not in CLASSES:
        raise Unsupported(
            f"{FILE}: the image processor {named} is not known; known: "
            f"{', '.join(f'{known}ImageProcessor' for known in CLASSES)}. Prepare the images yourself and send "
            "`pixel_values` to the model's raw-tensor view, with one of these in the file",
            image_processor_type=str(named),
        )
    return CLASSES[name]


class _Reader:
    """One file's content over its class's defaults. A null means the default, as in transformers."""

    def __init__(self, content: Mapping[str, Any], rules: Class, path: Path) -> None:
        self._content = content
        self._rules = rules
        self._path = path

    def settings(self) -> ImageSettings:
        rules = self._rules
        if self._flag("do_pad", default=False):
            raise Unsupported(f"{self._path}: do_pad is not supported; images must have one size without it")
        normalizes = rules.kind != "mobilevit" and self._flag("do_normalize", default=True)
        std = self._triple("image_std", rules.std)
        return ImageSettings(
            resize=self._resize() if self._flag("do_resize", default=True) else None,
            resample=self._resample(),
            crop=self._crop() if self._flag("do_center_crop", default=bool(rules.crop)) else None,
            crop_share=self._number("crop_pct", 224 / 256) if rules.kind == "convnext" else 0.0,
            rescale=self._number("rescale_factor", 1 / 255) if self._flag("do_rescale", default=True) else None,
            offset=-1.0 if rules.kind == "efficientnet" and self._flag("rescale_offset", default=False) else 0.0,
            mean=self._triple("image_mean", rules.mean) if normalizes else None,
            std=std if normalizes else None,
            second_std=std if rules.kind == "efficientnet" and self._flag("include_top", default=True) else None,
            flips_channels=rules.kind == "mobilevit" and self._flag("do_flip_channel_order", default=True),
        )

    def _resize(self) -> Mapping[str, int]:
        size = self._size(
            "size", self._rules.size, squares=self._flag("default_to_square", default=self._rules.squares)
        )
        if self._rules.kind == "convnext" and set(size) != {"shortest_edge"}:
            raise self._wrong("size", "a shortest_edge, as this class needs")
        if self._rules.kind == "levit" and "shortest_edge" in size:
            return {"shortest_edge": int(256 / 224 * size["shortest_edge"])}
        return size

    def _crop(self) -> tuple[int, int]:
        side = self._rules.crop or 224
        size = self._size("crop_size", {"height": side, "width": side}, squares=True)
        if set(size) != {"height", "width"}:
            raise self._wrong("crop_size", "a height and a width")
        return size["height"], size["width"]

    def _size(self, name: str, default: Mapping[str, int], *, squares: bool) -> Mapping[str, int]:
        value = self._content.get(name)
        if value is None:
            return default
        if _is_size(value):
            return {"height": value, "width": value} if squares else {"shortest_edge": value}
        if isinstance(value, list) and len(value) == 2:
            value = {"height": value[0], "width": value[1]}
        known = ({"height", "width"}, {"shortest_edge"}, {"shortest_edge", "longest_edge"})
        if not isinstance(value, dict) or set(value) not in known or not all(map(_is_size, value.values())):
            raise self._wrong(name, "a number, a height and a width, or a shortest_edge")
        return value

    def _resample(self) -> int:
        value = self._content.get("resample")
        if value is None:
            return self._rules.resample
        if not is_whole(value) or not 0 <= value <= 5:
            raise self._wrong("resample", "one of Pillow's filters, 0 to 5")
        return value

    def _flag(self, name: str, *, default: bool) -> bool:
        value = self._content.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def _number(self, name: str, default: float) -> float:
        value = self._content.get(name)
        if value is None:
            return default
        if not is_number(value) or value <= 0:
            raise self._wrong(name, "a positive number")
        return float(value)

    def _triple(self, name: str, default: Triple) -> Triple:
        value = self._content.get(name)
        if value is None:
            return default
        values = value if isinstance(value, list) else [value] * 3
        if len(values) != 3 or not all(map(is_number, values)):
            raise self._wrong(name, "three numbers, for red, green and blue")
        return tuple(map(float, values))

    def _wrong(self, name: str, expected: str) -> Unsupported:
        found = shown(self._content.get(name))
        return Unsupported(f"{self._path}: {name} is {found}; Naiad takes {expected}", option=name)


def _is_size(value: object) -> bool:
    return is_whole(value) and 0 < value <= LARGEST_IMAGE
