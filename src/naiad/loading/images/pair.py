"""Checkpoints of an image encoder and a text encoder (CLIP, SigLIP): both behind one queue, tasks of both kinds."""

from __future__ import annotations

from naiad.convert.image_checkpoint import convert_text_encoder
from naiad.core.encoding.files import EncoderFiles, EncoderPair
from naiad.core.errors import LoadFailed
from naiad.core.settings.config import ModelSettings
from naiad.loading.images.opening import Opened, convert_own, queue_images, size_of
from naiad.repository import Layout, ModelEntry
from naiad.repository.checkpoint import Checkpoint
from naiad.tasks.image.choice import build_pair_task, build_pair_tensors
from naiad.tasks.image.preparing.settings import read_image_settings


def open_pair(
    entry: ModelEntry, task_name: str, checkpoint: Checkpoint, layout: Layout, settings: ModelSettings
) -> Opened:
    """Open one. Raises NaiadError."""
    image_settings = read_image_settings(checkpoint.body, checkpoint.model_type)
    if layout.safetensors is None or entry.weights not in ("auto", "safetensors"):
        raise LoadFailed(
            f"'{entry.name}': a model of images and texts is served from safetensors; {layout.folder} has none of the "
            f"kind '{entry.weights}'"
        )
    images = convert_own(entry, checkpoint, "image-embedding", image_settings.output_size, settings)
    converted = convert_text_encoder(checkpoint.body)
    texts = EncoderFiles(converted.graph, converted.spec, converted.graph.parent)
    encoder = queue_images(entry, settings, EncoderPair(texts, images))
    task = build_pair_task(task_name, checkpoint, image_settings, images.spec, texts.spec, entry.options)
    view = build_pair_tensors(texts.spec, images.spec)
    return encoder, task, view, {"image_size": size_of(images.spec), "max_tokens": str(texts.spec.max_tokens)}
