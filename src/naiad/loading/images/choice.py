"""Which checkpoints are image models, what they are loaded for, and the one function that loads them."""

from __future__ import annotations

import time
from pathlib import Path

from naiad.core.machine.cores import available_cores
from naiad.core.settings.config import ModelSettings
from naiad.loading.encoder_models import describe_model
from naiad.loading.images.pair import open_pair
from naiad.loading.images.single import open_single
from naiad.loading.statistics import statistics_of
from naiad.repository import Fetched, Layout, ModelEntry
from naiad.repository.checkpoint import Checkpoint
from naiad.serving.model import ServedModel
from naiad.serving.text_model import VIEW_SUFFIX, TextModel
from naiad.tasks.image.choice import IMAGE_TASKS, PAIR_TASKS, image_task_of, is_pair

PLATFORM = "naiad_image"


def image_task(entry: ModelEntry, folder: Path) -> str:
    """The task to load a checkpoint for, if it is an image model; empty where it is one for text."""
    checkpoint = Checkpoint(folder)
    known = (*IMAGE_TASKS, *PAIR_TASKS) if is_pair(checkpoint) else IMAGE_TASKS
    if entry.task:
        return entry.task if entry.task in known else ""
    return image_task_of(checkpoint)


def load_image_model(
    entry: ModelEntry, task_name: str, fetched: Fetched, layout: Layout, settings: ModelSettings
) -> list[ServedModel]:
    """Load a checkpoint; gives the model under its name and the raw-tensor view as NAME.tensors. Raises NaiadError."""
    began_s = time.perf_counter()
    checkpoint = Checkpoint(fetched.folder)
    open_model = open_pair if task_name in PAIR_TASKS else open_single
    encoder, task, view, facts = open_model(entry, task_name, checkpoint, layout, settings)
    facts = {"task": task_name, **facts}
    described = [
        (describe_model(entry, suffix, PLATFORM, one, facts), one) for suffix, one in (("", task), (VIEW_SUFFIX, view))
    ]
    models: list[ServedModel] = [
        TextModel(
            config,
            "1",
            one,
            encoder,
            statistics=statistics_of(config, "1", settings),
            light_bytes=0,
            preparers=available_cores(),
        )
        for config, one in described
    ]
    for model in models:
        model.statistics.load_s = time.perf_counter() - began_s
    return models
