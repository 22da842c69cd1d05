"""Checkpoints of an image encoder alone: convert if need be, open it, build the task and its raw-tensor view."""

from __future__ import annotations

from collections.abc import Mapping

from naiad.core.config import ServerSettings
from naiad.core.contracts import Task
from naiad.core.errors import LoadFailed
from naiad.loading.images.opening import open_own, queue_images, refuse_quantizing, size_of
from naiad.repository import Layout, ModelEntry
from naiad.serving.encoder_queue import EncoderQueue
from naiad.tasks.checkpoint import Checkpoint
from naiad.tasks.image.choice import build_image_task, build_pixels, image_head_for
from naiad.tasks.image.preparing.settings import read_image_settings


def open_single(
    entry: ModelEntry, task_name: str, checkpoint: Checkpoint, layout: Layout, settings: ServerSettings
) -> tuple[EncoderQueue, Task, Task, Mapping[str, str]]:
    """See `choice.Opened`. Raises NaiadError."""
    refuse_quantizing(entry, settings)
    image_settings = read_image_settings(checkpoint.body, checkpoint.model_type)
    if layout.safetensors is None or entry.weights not in ("auto", "safetensors"):
        raise LoadFailed(f"'{entry.name}': the folder {layout.folder} holds no weights of the kind '{entry.weights}'")
    head = image_head_for(task_name)
    instances, spec = open_own(entry, checkpoint, head, image_settings.output_size, settings)
    encoder = queue_images(entry, settings, instances, spec)
    task = build_image_task(task_name, checkpoint, image_settings, spec, entry.options)
    return encoder, task, build_pixels(spec), {"image_size": size_of(spec)}
