"""Turn a Hugging Face checkpoint of a text encoder into an ONNX graph, once; afterwards it is found in the cache.

The way in for everybody else: `builder_knows`, `known_architectures`, `convert_checkpoint`. The work is done in
`encoder/`, which is imported only when something has to be converted.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from naiad.convert.cache import GRAPH, Converted, find_entry
from naiad.convert.encoder.architectures import ARCHITECTURES, find_architecture, known_architectures
from naiad.convert.encoder.static import build_static
from naiad.core.encoding.encoder import EncoderSpec
from naiad.core.errors import InvalidConfiguration
from naiad.repository.checkpoint import MODEL2VEC, Checkpoint

__all__ = [
    "BUILDER_VERSION",
    "QUANTIZATIONS",
    "Converted",
    "builder_knows",
    "convert_checkpoint",
    "known_architectures",
    "precision_of",
]

BUILDER_VERSION = 19
"""Part of every cache key; raise it when the graph of any model changes."""

QUANTIZATIONS = ("none", "int8")


def builder_knows(config: Mapping[str, Any]) -> bool:
    """Whether a config.json's content names an architecture that is converted without torch."""
    return config.get("model_type") in (*ARCHITECTURES, MODEL2VEC)


def convert_checkpoint(
    folder: Path, *, head: str | None = None, quantize: str = "none", cache_dir: Path | None = None
) -> Converted:
    """The packed ONNX graph of a checkpoint folder and its EncoderSpec, from the cache if it is there.

    head: embedding, sequence-classification, token-classification, question-answering or masked-lm; None infers it
    from the folder. quantize: "none" (float32) or "int8" (a scale for every token). cache_dir: see `find_entry`.
    Blocks for seconds when it converts. Raises Unsupported for architectures and options that are not known,
    InvalidConfiguration for a wrong argument, LoadFailed for files that are missing or do not fit.
    """
    if quantize not in QUANTIZATIONS:
        raise InvalidConfiguration(f"quantize={quantize!r} is not known; known: {', '.join(QUANTIZATIONS)}")
    checkpoint = Checkpoint(folder)
    if checkpoint.table_writer:
        return _convert_static(checkpoint, head, quantize, cache_dir)
    find_architecture(checkpoint.needed_config)
    if head is None:
        from naiad.convert.encoder.heads.choice import infer_head

        head = infer_head(checkpoint)
    entry = find_entry(folder, kind=f"{head}-{precision_of(quantize)}", version=BUILDER_VERSION, cache_dir=cache_dir)
    return entry.read() or entry.fill(lambda made: _build(checkpoint, head, quantize, made))


def _convert_static(checkpoint: Checkpoint, head: str | None, quantize: str, cache_dir: Path | None) -> Converted:
    if head not in (None, "embedding") or quantize != "none":
        wrong = f"quantize: {quantize}" if quantize != "none" else f"the head '{head}'"
        raise InvalidConfiguration(
            f"{checkpoint.folder} is a table of static embeddings, without layers: {wrong} does not apply to it"
        )
    entry = find_entry(checkpoint.folder, kind="static-float32", version=BUILDER_VERSION, cache_dir=cache_dir)
    return entry.read() or entry.fill(lambda made: build_static(checkpoint, made / GRAPH))


def precision_of(quantize: str) -> str:
    """int8 graphs differ between machines; see `has_fast_signed_products`."""
    if quantize == "none":
        return "float32"
    from naiad.convert.encoder.quantize import has_fast_signed_products

    return "int8" if has_fast_signed_products() else "uint8"


def _build(checkpoint: Checkpoint, head: str, quantize: str, made: Path) -> EncoderSpec:
    from naiad.convert.encoder.build import build

    return build(checkpoint, head, quantize, made / GRAPH)
