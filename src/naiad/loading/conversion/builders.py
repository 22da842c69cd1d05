"""Our own builders of graphs, in one shape: for text encoders and for image encoders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from naiad.convert.cache import Converted
from naiad.convert.checkpoint import builder_knows, convert_checkpoint
from naiad.convert.export.models import IMAGE, TEXT
from naiad.convert.gate.runners import EncoderRunner, Runner, Sample
from naiad.convert.image_checkpoint import convert_image_checkpoint, image_builder_knows
from naiad.loading.conversion.samples import made_up_samples, text_samples
from naiad.loading.conversion.subject import Subject
from naiad.repository.checkpoint import Checkpoint


class Builder(Protocol):
    """One builder."""

    precisions: tuple[str, ...]
    """What it makes."""

    def convert(self, folder: Path, subject: Subject, quantize: str, cache_dir: Path | None) -> Converted:
        """Build, or find in the cache. folder: the checkpoint, which may be another than the subject's."""
        ...

    def runner(self, converted: Converted) -> Runner:
        """Run what was built."""
        ...

    def samples(self, subject: Subject, converted: Converted, data: Path | None) -> Sequence[Sample]:
        """What it is checked with."""
        ...


class TextBuilder:
    """Encoders of texts."""

    precisions: tuple[str, ...] = ("fp32", "fp16", "int8")

    def convert(self, folder: Path, subject: Subject, quantize: str, cache_dir: Path | None) -> Converted:
        """See Builder."""
        return convert_checkpoint(folder, head=subject.head, quantize=quantize, cache_dir=cache_dir)

    def runner(self, converted: Converted) -> Runner:
        """See Builder."""
        return EncoderRunner(converted.graph, converted.spec)

    def samples(self, subject: Subject, converted: Converted, data: Path | None) -> Sequence[Sample]:
        """See Builder."""
        return text_samples(subject.folder, converted.spec, data)


class ImageBuilder:
    """Encoders of images."""

    precisions: tuple[str, ...] = ("fp32", "fp16")

    def convert(self, folder: Path, subject: Subject, quantize: str, cache_dir: Path | None) -> Converted:
        """See Builder."""
        assert quantize == "none"
        image = (subject.size[1], subject.size[2])
        return convert_image_checkpoint(Checkpoint(folder).body, head=subject.head, image=image, cache_dir=cache_dir)

    def runner(self, converted: Converted) -> Runner:
        """See Builder."""
        return EncoderRunner(converted.graph, converted.spec)

    def samples(self, subject: Subject, converted: Converted, data: Path | None) -> Sequence[Sample]:
        """See Builder."""
        del converted, data
        return made_up_samples(IMAGE, subject.size)


def builder_for(subject: Subject) -> Builder | None:
    """The builder that knows a family; None where torch must export it."""
    if subject.kind == TEXT and builder_knows(subject.config):
        return TextBuilder()
    if subject.kind == IMAGE and image_builder_knows(subject.config):
        return ImageBuilder()
    return None
