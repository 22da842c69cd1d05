"""Turn a Hugging Face checkpoint of an image encoder, and of a text encoder beside it, into ONNX graphs, once.

The way in for everybody else, as `checkpoint.py` is for text encoders. The work is done in `vision/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from naiad.convert.cache import GRAPH, Converted, find_entry
from naiad.convert.checkpoint import precision_of
from naiad.convert.vision.families import IMAGE_FAMILIES, find_image_family
from naiad.core.errors import Unsupported
from naiad.repository.checkpoint import read_config

IMAGE_BUILDER_VERSION = 4
"""Part of every cache key of this builder; raise it when the graph of any image model changes."""


def image_builder_knows(config: Mapping[str, Any]) -> bool:
    """Whether a config.json's content names an image model that is converted without torch."""
    return config.get("model_type") in IMAGE_FAMILIES


def convert_image_checkpoint(
    folder: Path,
    *,
    head: str,
    image: tuple[int, int] | None = None,
    quantize: str = "none",
    cache_dir: Path | None = None,
) -> Converted:
    """The ONNX graph of a checkpoint folder's image encoder and its EncoderSpec, from the cache if it is there.

    head: image-classification or image-embedding. image: height and width of the images that it will get; None: those
    of config.json. quantize: "none" (float32) or "int8" (a scale for every token). Blocks for seconds when it converts.
    Raises Unsupported for families, heads and options that are not known, InvalidConfiguration for impossible sizes,
    LoadFailed for files that are missing or do not fit.
    """
    from naiad.convert.vision.build import Order, build_image_encoder, check_head

    config = read_config(folder, needed=True)
    find_image_family(config)
    check_head(head)
    order = Order(folder, config, head, image)
    size = "as-trained" if image is None else f"{image[0]}x{image[1]}"
    kind = f"{head}-{size}-{precision_of(quantize)}"
    entry = find_entry(folder, kind=kind, version=IMAGE_BUILDER_VERSION, cache_dir=cache_dir)
    return entry.read() or entry.fill(lambda made: build_image_encoder(order, quantize, made / GRAPH))


def convert_text_encoder(folder: Path, *, cache_dir: Path | None = None) -> Converted:
    """The packed ONNX graph of the text encoder that belongs to an image encoder (CLIP, SigLIP), and its EncoderSpec.

    See convert_image_checkpoint.
    """
    from naiad.convert.vision.texts import HEAD, TEXT_FAMILIES, build_text_encoder

    config = read_config(folder, needed=True)
    if config.get("model_type") not in TEXT_FAMILIES:
        raise Unsupported(
            f"a model of type {config.get('model_type')!r} has no text encoder beside its image encoder that Naiad "
            f"converts; known: {', '.join(TEXT_FAMILIES)}"
        )
    entry = find_entry(folder, kind=f"{HEAD}-float32", version=IMAGE_BUILDER_VERSION, cache_dir=cache_dir)
    return entry.read() or entry.fill(lambda made: build_text_encoder(folder, config, made / GRAPH))
