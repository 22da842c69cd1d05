"""What all image models have in common when their encoders are converted and opened."""

from __future__ import annotations

from collections.abc import Mapping

from naiad.convert.image_checkpoint import convert_image_checkpoint
from naiad.core.contracts import Task
from naiad.core.encoding.encoder import EncoderSpec
from naiad.core.encoding.files import EncoderFiles, EncoderPair
from naiad.core.settings.config import ModelSettings
from naiad.loading.encoder_models import open_queue
from naiad.loading.learning import BatchSizes
from naiad.repository import ModelEntry
from naiad.repository.checkpoint import Checkpoint
from naiad.serving.encoder_queue import EncoderQueue

BATCH_TOKENS = 400
"""Tokens of images that run together: two of 224 x 224 in patches of 16. A larger image runs alone."""

MOST_IMAGES = 4
"""That run together, where that is measured to be better."""

WAITING_BYTES = 1 << 30
"""Prepared images that may wait for one model; their number follows from their size."""

Opened = tuple[EncoderQueue, Task, Task, Mapping[str, str]]
"""The encoder, the task, its raw-tensor view, and what the model's metadata says besides the task."""


def convert_own(
    entry: ModelEntry, checkpoint: Checkpoint, head: str, size: tuple[int, int] | None, settings: ModelSettings
) -> EncoderFiles:
    """Convert the image encoder of a checkpoint that our builder knows. size: of the prepared images."""
    converted = convert_image_checkpoint(checkpoint.body, head=head, image=size, quantize=quantization(entry, settings))
    return EncoderFiles(converted.graph, converted.spec, converted.graph.parent)


def queue_images(entry: ModelEntry, settings: ModelSettings, model: EncoderFiles | EncoderPair) -> EncoderQueue:
    """Load an image encoder and put a queue before it, as long as memory allows."""
    spec = model.images.spec if isinstance(model, EncoderPair) else model.spec
    sizes = BatchSizes(limit=max(BATCH_TOKENS, MOST_IMAGES * spec.max_tokens), assumed=BATCH_TOKENS)
    waiting = max(1, WAITING_BYTES // (spec.channels * spec.height * spec.width))
    return open_queue(entry, settings, model, sizes, max_waiting=waiting)


def quantization(entry: ModelEntry, settings: ModelSettings) -> str:
    """The entry's word, else the server's."""
    return entry.quantize if entry.quantize != "none" else settings.quantize


def size_of(spec: EncoderSpec) -> str:
    """Height and width of the images, for people."""
    return f"{spec.height}x{spec.width}"
