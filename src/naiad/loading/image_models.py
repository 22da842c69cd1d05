"""Checkpoints of image models: convert if need be, open the encoder, build the task → model and raw-tensor view."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from naiad.backends.onnxruntime.images import ImagePorts, open_image_encoder
from naiad.backends.onnxruntime.instances import EncoderInstances
from naiad.convert.image_checkpoint import convert_image_checkpoint
from naiad.core.config import ServerSettings
from naiad.core.encoder import EncoderItem, EncoderSpec
from naiad.core.errors import InvalidConfiguration, LoadFailed
from naiad.loading.encoder_models import describe_model, open_queue
from naiad.repository import Fetched, Layout, ModelEntry
from naiad.scheduling.tokens import TokenRule, decide_packed
from naiad.serving.model import ServedModel
from naiad.serving.text_model import VIEW_SUFFIX, TextModel
from naiad.tasks.checkpoint import Checkpoint
from naiad.tasks.image.choice import IMAGE_TASKS, build_image_task, build_pixels, image_head_for, image_task_of
from naiad.tasks.image.preparing.settings import ImageSettings, read_image_settings

PLATFORM = "naiad_image"

BATCH_TOKENS = 400
"""Of images that run together, two of 224 x 224 in patches of 16; a larger one runs alone."""

WAITING_BYTES = 1 << 30
"""Prepared images that may wait for one model; their number follows from their size."""


def image_task(entry: ModelEntry, folder: Path) -> str:
    """The task of a checkpoint of an image model; empty where it is none, or the entry wants a task for text."""
    task = entry.task or image_task_of(Checkpoint(folder))
    return task if task in IMAGE_TASKS else ""


def load_image_model(
    entry: ModelEntry, task_name: str, fetched: Fetched, layout: Layout, settings: ServerSettings
) -> list[ServedModel]:
    """Load a checkpoint; gives the model under its name and the raw-tensor view as NAME.tensors. Raises NaiadError."""
    began_s = time.perf_counter()
    checkpoint = Checkpoint(fetched.folder)
    image_settings = read_image_settings(checkpoint.body, str(checkpoint.config.get("model_type", "")))
    instances, spec = _open(entry, layout, checkpoint, task_name, image_settings, settings)
    encoder = open_queue(
        entry,
        settings,
        instances,
        partial(decide_packed, rule=_rule(entry)),
        max_waiting=max(1, WAITING_BYTES // (spec.channels * spec.height * spec.width)),
    )
    task = build_image_task(task_name, checkpoint, image_settings, spec, entry.options)
    view = build_pixels(spec)
    facts = {"task": task_name, "image_size": f"{spec.height}x{spec.width}"}
    models: list[ServedModel] = [
        TextModel(describe_model(name, PLATFORM, one, facts), "1", one, encoder, light_bytes=0)
        for name, one in ((entry.name, task), (entry.name + VIEW_SUFFIX, view))
    ]
    for model in models:
        model.statistics.load_s = time.perf_counter() - began_s
    return models


def _open(
    entry: ModelEntry,
    layout: Layout,
    checkpoint: Checkpoint,
    task_name: str,
    image_settings: ImageSettings,
    settings: ServerSettings,
) -> tuple[EncoderInstances[EncoderItem], EncoderSpec]:
    if "int8" in (entry.quantize, settings.quantize if entry.quantize == "none" else ""):
        raise InvalidConfiguration(f"'{entry.name}': quantize: int8 is not done for image models yet; leave it out")
    if layout.safetensors is None or entry.weights not in ("auto", "safetensors"):
        raise LoadFailed(f"'{entry.name}': the folder {layout.folder} holds no weights of the kind '{entry.weights}'")
    head, size = image_head_for(task_name), image_settings.output_size
    converted = convert_image_checkpoint(checkpoint.body, head=head, image=size)
    count = entry.batching.instances or settings.instances
    graph, spec = converted.graph, converted.spec
    return open_image_encoder(graph, graph.parent, spec, ImagePorts(), count=count), spec


def _rule(entry: ModelEntry) -> TokenRule:
    batching = entry.batching
    return TokenRule(batching.max_tokens_per_batch or BATCH_TOKENS, max_delay_s=batching.max_queue_delay_ms / 1000.0)
