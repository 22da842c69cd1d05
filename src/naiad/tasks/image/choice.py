"""The table of tasks of image models, which of them a checkpoint is for, and making one.

A new task is a new file beside this one and a new row. Text tasks have their table in `naiad.tasks.choice`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from naiad.core.contracts import Task
from naiad.core.encoding.encoder import EncoderSpec
from naiad.core.errors import InvalidConfiguration
from naiad.repository.checkpoint import Checkpoint
from naiad.tasks.image.classification import ImageClassificationTask
from naiad.tasks.image.features import ImageFeaturesTask
from naiad.tasks.image.pairs.embedding import PairEmbeddingTask
from naiad.tasks.image.pairs.parts import PairParts
from naiad.tasks.image.pairs.tensors import PairTensorsTask
from naiad.tasks.image.pairs.zero_shot import ZeroShotImageTask
from naiad.tasks.image.parts import ImageParts
from naiad.tasks.image.pixels import PixelsTask
from naiad.tasks.image.preparing.processor import ImageProcessor
from naiad.tasks.image.preparing.settings import ImageSettings, has_image_settings
from naiad.tasks.tokenizing.loading import load_tokenizer


@dataclass(frozen=True, slots=True)
class _Row:
    head: str
    """Name of the head that `naiad.convert` builds."""
    build: Callable[[ImageParts], Task]


_TABLE: dict[str, _Row] = {
    "image-classification": _Row("image-classification", ImageClassificationTask),
    "image-feature-extraction": _Row("image-embedding", ImageFeaturesTask),
}

IMAGE_TASKS: tuple[str, ...] = tuple(_TABLE)
"""Names of the tasks of image encoders alone: the Hub's pipeline tags."""

_PAIRS: dict[str, Callable[[PairParts], Task]] = {
    "zero-shot-image-classification": ZeroShotImageTask,
    "feature-extraction": PairEmbeddingTask,
    "sentence-similarity": PairEmbeddingTask,
}

PAIR_TASKS: tuple[str, ...] = tuple(_PAIRS)
"""Names of the tasks of models of images and texts."""

_PAIR_CLASSES = ("CLIPModel", "SiglipModel")

_BY_ARCHITECTURE = {
    "ForImageClassification": "image-classification",
    "ForImageClassificationWithTeacher": "image-classification",
    "VisionModel": "image-feature-extraction",
    "VisionModelWithProjection": "image-feature-extraction",
}
"""How the names of transformers' classes end, and what they are for."""


def is_pair(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint has an image encoder and a text encoder whose vectors can be compared."""
    return checkpoint.architecture in _PAIR_CLASSES


def image_task_of(checkpoint: Checkpoint) -> str:
    """The task of a checkpoint of an image model; empty where it is none."""
    architecture, tag = checkpoint.architecture, checkpoint.pipeline_tag
    if is_pair(checkpoint):
        otherwise = "feature-extraction" if checkpoint.kind else "zero-shot-image-classification"
        return tag if tag in _PAIRS else otherwise
    for ending, task in _BY_ARCHITECTURE.items():
        if architecture.endswith(ending):
            return task
    if has_image_settings(checkpoint.body):
        if architecture.endswith(("Model", "ForMaskedImageModeling")):
            return "image-feature-extraction"
        return tag if tag in _TABLE else ""
    return ""


def image_head_for(task: str) -> str:
    """The head that an image task runs on. `task` is one of IMAGE_TASKS."""
    return _TABLE[task].head


def build_image_task(
    name: str, checkpoint: Checkpoint, settings: ImageSettings, spec: EncoderSpec, options: Mapping[str, Any]
) -> Task:
    """Make the task `name` for a checkpoint whose encoder says `spec` of itself.

    `options` are defaults for the task's parameters. Raises InvalidConfiguration for a task that does not fit the head
    and for bad options, LoadFailed for a wrong config.json.
    """
    row = _TABLE[name]
    if row.head != spec.head:
        raise InvalidConfiguration(
            f"task '{name}' needs the head '{row.head}', this model has '{spec.head}'", task=name
        )
    return row.build(ImageParts(name, checkpoint, spec, options, ImageProcessor(settings, spec)))


def build_pair_task(
    name: str,
    checkpoint: Checkpoint,
    settings: ImageSettings,
    images: EncoderSpec,
    texts: EncoderSpec,
    options: Mapping[str, Any],
) -> Task:
    """Make the task `name`, one of PAIR_TASKS; see build_image_task. Raises LoadFailed for a wrong tokenizer."""
    tokenizer = load_tokenizer(checkpoint.body, texts)
    processor = ImageProcessor(settings, images)
    return _PAIRS[name](PairParts(name, checkpoint, processor, tokenizer, images, texts, options))


def build_pair_tensors(texts: EncoderSpec, images: EncoderSpec) -> Task:
    """Make the raw-tensor view of a model of images and texts."""
    return PairTensorsTask(texts, images)


def build_pixels(spec: EncoderSpec) -> Task:
    """Make the raw-tensor view of an image encoder."""
    return PixelsTask(spec)
