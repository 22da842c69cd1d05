"""What is to be converted: the task, the head, what goes in, and who can do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naiad.convert.export.models import AUDIO, EXPORTABLE, IMAGE, TEXT
from naiad.core.errors import InvalidConfiguration, NaiadError, Unsupported
from naiad.repository.checkpoint import Checkpoint
from naiad.tasks import KNOWN_TASKS, head_for, infer_task
from naiad.tasks.image.choice import IMAGE_TASKS, image_head_for, image_task_of, is_pair
from naiad.tasks.image.preparing.settings import read_image_settings

IMAGE_PIXELS = 224
SAMPLE_RATE = 16_000

OTHER_TASKS = tuple(task for task, row in EXPORTABLE.items() if row.kind != TEXT and task != "image-embedding")
"""Tasks of images and sound that torch can export; those that have no task here yet are served as tensors elsewhere."""

SERVED = (*KNOWN_TASKS, *IMAGE_TASKS)
"""Tasks of what can be converted and served."""

_BY_CLASS = {
    "ForObjectDetection": "object-detection",
    "ForSemanticSegmentation": "image-segmentation",
    "ForAudioClassification": "audio-classification",
    "ForCTC": "automatic-speech-recognition",
}
"""Ends of transformers' class names for tasks that are not served yet."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A checkpoint and what is wanted of it."""

    checkpoint: Checkpoint
    task: str
    head: str

    @property
    def folder(self) -> Path:
        """The checkpoint's."""
        return self.checkpoint.folder

    @property
    def config(self) -> Mapping[str, Any]:
        """config.json."""
        return self.checkpoint.config

    @property
    def family(self) -> str:
        """model_type of config.json."""
        return self.checkpoint.model_type or "unknown"

    @property
    def kind(self) -> str:
        """What goes in: text, image or audio."""
        return EXPORTABLE[self.head].kind if self.head in EXPORTABLE else TEXT

    @property
    def size(self) -> tuple[int, ...]:
        """Shape of one input without the batch: (channels, height, width), (samples,), (frames, bins), () for text."""
        if self.kind == IMAGE:
            return image_size(self.checkpoint)
        if self.kind == AUDIO:
            if "num_mel_bins" in self.config:
                return int(self.config.get("max_length", 1024)), int(self.config["num_mel_bins"])
            return (SAMPLE_RATE,)
        return ()


def recognise_subject(folder: Path, task: str = "") -> Subject:
    """Read config.json and tell the task, unless it is given.

    Raises InvalidConfiguration, LoadFailed, Unsupported for what is served as it is and has nothing to convert.
    """
    checkpoint = Checkpoint(folder)
    if checkpoint.modules and checkpoint.modules[0].kind == "StaticEmbedding":
        raise Unsupported(
            f"{folder}: a StaticEmbedding is a table, there is nothing to convert; `naiad serve` serves the folder as "
            "it is"
        )
    task = task or _infer(checkpoint)
    if is_pair(checkpoint) and task not in IMAGE_TASKS:
        raise Unsupported(
            f"{folder}: a {checkpoint.architecture} is an image encoder and a text encoder, which `naiad serve` "
            "converts by itself; `naiad convert` converts the image encoder alone: --task image-feature-extraction",
            task=task,
        )
    if task in IMAGE_TASKS:
        head = image_head_for(task)
    elif task in KNOWN_TASKS:
        head = head_for(task, folder)
    elif task in OTHER_TASKS:
        head = task
    else:
        known = ", ".join(dict.fromkeys((*KNOWN_TASKS, *IMAGE_TASKS, *OTHER_TASKS)))
        raise InvalidConfiguration(f"task '{task}' cannot be converted; choose one of {known}", task=task)
    return Subject(checkpoint, task, head)


def _infer(checkpoint: Checkpoint) -> str:
    for ending, task in _BY_CLASS.items():
        if checkpoint.architecture.endswith(ending):
            return task
    try:
        return image_task_of(checkpoint) or infer_task(checkpoint.folder)
    except NaiadError as error:
        raise type(error)(f"{error.message} (set it with --task)", **error.detail) from error


def image_size(checkpoint: Checkpoint) -> tuple[int, int, int]:
    """(channels, height, width) of what the preprocessing makes; else the model's own size; else 224 a side."""
    sides = read_image_settings(checkpoint.body, checkpoint.model_type).output_size
    if sides is None:
        match checkpoint.config.get("image_size"):
            case int(side):
                sides = (side, side)
            case [int(height), int(width)]:
                sides = (height, width)
            case _:
                sides = (IMAGE_PIXELS, IMAGE_PIXELS)
    return int(checkpoint.config.get("num_channels", 3)), *sides
