"""What is to be converted: the task, the head, what goes in, and who can do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naiad.convert.encoder.sentence import read_json
from naiad.convert.export.models import AUDIO, EXPORTABLE, IMAGE, TEXT
from naiad.core.errors import InvalidConfiguration, NaiadError
from naiad.repository.modules import body_folder
from naiad.tasks import KNOWN_TASKS, head_for, infer_task

IMAGE_PIXELS = 224
SAMPLE_RATE = 16_000

OTHER_TASKS = tuple(task for task, row in EXPORTABLE.items() if row.kind != TEXT)
"""Tasks of images and sound; their heads have the same names."""

_BY_CLASS = {
    "ForImageClassification": "image-classification",
    "ForImageClassificationWithTeacher": "image-classification",
    "ForObjectDetection": "object-detection",
    "ForSemanticSegmentation": "image-segmentation",
    "ForAudioClassification": "audio-classification",
    "ForCTC": "automatic-speech-recognition",
}
"""Ends of transformers' class names that are no text models'."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A checkpoint and what is wanted of it."""

    folder: Path
    config: Mapping[str, Any]
    task: str
    head: str

    @property
    def family(self) -> str:
        """model_type of config.json."""
        return str(self.config.get("model_type", "unknown"))

    @property
    def kind(self) -> str:
        """What goes in: text, image or audio."""
        return EXPORTABLE[self.head].kind if self.head in EXPORTABLE else TEXT

    @property
    def size(self) -> tuple[int, ...]:
        """Of one input without the batch: (channels, height, width), (samples,) or (frames, bins); () for text."""
        if self.kind == IMAGE:
            return image_size(self.config, read_json_if_there(self.folder / "preprocessor_config.json"))
        if self.kind == AUDIO:
            if "num_mel_bins" in self.config:
                return int(self.config.get("max_length", 1024)), int(self.config["num_mel_bins"])
            return (SAMPLE_RATE,)
        return ()


def recognise_subject(folder: Path, task: str = "") -> Subject:
    """Read config.json and tell the task, unless it is given. Raises InvalidConfiguration, LoadFailed."""
    config = read_json(body_folder(folder) / "config.json")
    task = task or _infer(folder, config)
    if task in KNOWN_TASKS:
        return Subject(folder, config, task, head_for(task))
    if task not in OTHER_TASKS:
        raise InvalidConfiguration(
            f"unknown task '{task}'; known: {', '.join((*KNOWN_TASKS, *OTHER_TASKS))}", task=task
        )
    return Subject(folder, config, task, task)


def _infer(folder: Path, config: Mapping[str, Any]) -> str:
    classes = config.get("architectures") or [""]
    for ending, task in _BY_CLASS.items():
        if str(classes[0]).endswith(ending):
            return task
    try:
        return infer_task(folder)
    except NaiadError as error:
        raise type(error)(f"{error.message} (--task)", **error.detail) from error


def read_json_if_there(path: Path) -> Mapping[str, Any]:
    """A JSON object; empty where there is no such file."""
    return read_json(path) if path.is_file() else {}


def image_size(config: Mapping[str, Any], processor: Mapping[str, Any]) -> tuple[int, int, int]:
    """(channels, height, width) of what the processor makes; else the model's own size; else 224 a side."""
    channels = int(config.get("num_channels", 3))
    crop = processor.get("crop_size") if processor.get("do_center_crop") else None
    for given in (crop, processor.get("size"), config.get("image_size")):
        side = _sides(given)
        if side:
            return channels, *side
    return channels, IMAGE_PIXELS, IMAGE_PIXELS


def _sides(given: object) -> tuple[int, int] | None:
    if isinstance(given, int):
        return given, given
    if isinstance(given, list | tuple) and len(given) == 2:
        return int(given[0]), int(given[1])
    if isinstance(given, dict):
        if "height" in given and "width" in given:
            return int(given["height"]), int(given["width"])
        if "shortest_edge" in given:
            return int(given["shortest_edge"]), int(given["shortest_edge"])
    return None
