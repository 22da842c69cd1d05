"""Checkpoints of an image encoder alone: convert if need be, open it, build the task and its raw-tensor view."""

from __future__ import annotations

from naiad.convert.image_checkpoint import image_builder_knows
from naiad.convert.onnx_images import describe_exported_images
from naiad.core.encoding.files import EncoderFiles
from naiad.core.errors import LoadFailed, Unsupported
from naiad.core.settings.config import ModelSettings
from naiad.loading.conversion.cached import exported_checkpoint
from naiad.loading.images.opening import Opened, convert_own, quantization, queue_images, size_of
from naiad.repository import Layout, ModelEntry
from naiad.repository.checkpoint import Checkpoint
from naiad.tasks.image.choice import build_image_task, build_pixels, image_head_for
from naiad.tasks.image.preparing.settings import read_image_settings


def open_single(
    entry: ModelEntry, task_name: str, checkpoint: Checkpoint, layout: Layout, settings: ModelSettings
) -> Opened:
    """Open one. Raises NaiadError."""
    image_settings = read_image_settings(checkpoint.body, checkpoint.model_type)
    files = _choose(entry, task_name, checkpoint, layout, settings, image_settings.output_size)
    encoder = queue_images(entry, settings, files)
    task = build_image_task(task_name, checkpoint, image_settings, files.spec, entry.options)
    return encoder, task, build_pixels(files.spec), {"image_size": size_of(files.spec)}


def _choose(
    entry: ModelEntry,
    task_name: str,
    checkpoint: Checkpoint,
    layout: Layout,
    settings: ModelSettings,
    size: tuple[int, int] | None,
) -> EncoderFiles:
    """Our own graph where the builder knows the family, else the ONNX file, else what torch exports."""
    graph, head = layout.onnx, image_head_for(task_name)
    if layout.safetensors is not None and entry.weights in ("auto", "safetensors") and not entry.output:
        try:
            return convert_own(entry, checkpoint, head, size, settings)
        except Unsupported as reason:
            if image_builder_knows(checkpoint.config):
                raise
            if graph is None or entry.weights == "safetensors":
                graph = exported_checkpoint(checkpoint.body, task_name, "none", reason).graph
    if graph is None:
        raise LoadFailed(f"'{entry.name}': {layout.folder} has no weights that `weights: {entry.weights}` allows")
    if quantization(entry, settings) != "none":
        raise LoadFailed(
            f"'{entry.name}': quantize needs safetensors of a family that Naiad converts; this is an ONNX file"
        )
    return describe_exported_images(graph, checkpoint.body, head, size, output=entry.output)
