"""Run the graph of an image encoder: stack images of one size, run once, give each its part.

For graphs of our own builder and for exported ones alike: what differs is said by `ImagePorts`. Not here: text encoders
(`packed.py`, `padded.py`) and how images are cut and scaled (`naiad.tasks.image`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from naiad.backends.onnxruntime.prepared.sharing import open_shared
from naiad.backends.onnxruntime.session import open_session
from naiad.core.clock import Clock, monotonic
from naiad.core.contracts import Batch, Instances
from naiad.core.cores import available_cores
from naiad.core.encoder import EncoderItem, EncoderResult, EncoderSpec, ImagePixels
from naiad.core.errors import InvalidRequest, ModelFailed, NaiadError
from naiad.core.tensor import Array


@dataclass(frozen=True, slots=True)
class ImagePorts:
    """How a graph calls what we give it and what we take from it."""

    pixels: str = "pixel_values"
    channels_last: bool = False
    """The graph wants (images, height, width, channels)."""
    kind: type[np.generic] = np.float32
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Our name of an output → the graph's; those that are not here are called alike."""
    batches: bool = True
    """Images share a run; else each has its own, so that none can depend on the others."""
    first_token: bool = False
    """The embedding is the first row of what the graph gives."""


class ImageEncoder:
    """An Instance[EncoderItem, EncoderResult] on an image graph; safe to call from several threads at a time."""

    def __init__(self, session: Any, spec: EncoderSpec, ports: ImagePorts, clock: Clock = monotonic) -> None:
        self.spec = spec
        self._session = session
        self._ports = ports
        self._clock = clock
        self._granularity = {output.name: output.granularity for output in spec.outputs}

    @classmethod
    def open(cls, graph: Path, spec: EncoderSpec, *, threads: int = 1) -> ImageEncoder:
        """Open a graph of its own. threads: for one run; 0 = all cores. Raises LoadFailed."""
        return cls(open_session(graph, threads=threads), spec, ImagePorts())

    def execute(self, batch: Batch[EncoderItem]) -> Sequence[EncoderResult | NaiadError]:
        """Run all images; see Instance. Raises ModelFailed where the runtime does.

        An InvalidRequest stands in for an item that the graph cannot take; the others run.
        """
        errors = [self._objection(item) for item in batch.items]
        good = [item for item, error in zip(batch.items, errors, strict=True) if error is None]
        images = [item for item in good if isinstance(item, ImagePixels)]
        step = len(images) if self._ports.batches else 1
        groups = [images[begin : begin + step] for begin in range(0, len(images), step or 1)]
        feeds = [self._feed(group) for group in groups]
        batch.input_ready_s = self._clock()
        runs = [self._run(group, feed) for group, feed in zip(groups, feeds, strict=True)]
        batch.output_ready_s = self._clock()
        results = iter([result for run in runs for result in run])
        return [error or next(results) for error in errors]

    def close(self) -> None:
        """Forget the session; its memory goes with its last instance."""
        self._session = None

    def _objection(self, item: EncoderItem) -> InvalidRequest | None:
        if not isinstance(item, ImagePixels):
            return InvalidRequest("this model takes images, not texts")
        expected = (self.spec.channels, self.spec.height, self.spec.width)
        if item.pixels.shape != expected:
            return InvalidRequest(f"an image has shape {list(item.pixels.shape)}, but the model takes {list(expected)}")
        unknown = [name for name in item.outputs if name not in self._granularity]
        return InvalidRequest(f"the encoder has no output '{unknown[0]}'") if unknown else None

    def _feed(self, images: Sequence[ImagePixels]) -> Array:
        stacked = np.stack([image.pixel_values() for image in images])
        if self._ports.channels_last:
            stacked = np.ascontiguousarray(stacked.transpose(0, 2, 3, 1))
        return stacked.astype(self._ports.kind, copy=False)

    def _run(self, images: Sequence[ImagePixels], feed: Array) -> list[EncoderResult]:
        wanted = sorted({name for image in images for name in image.outputs})
        names = [self._ports.outputs.get(name, name) for name in wanted]
        try:
            arrays = self._session.run(names, {self._ports.pixels: feed})
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise ModelFailed(f"ONNX Runtime failed on {len(images)} images: {error}") from error
        by_name = {name: np.asarray(array, np.float32) for name, array in zip(wanted, arrays, strict=True)}
        return [
            {name: self._part(name, by_name[name][at]) for name in image.outputs} for at, image in enumerate(images)
        ]

    def _part(self, name: str, array: Array) -> Array:
        """One image's part of an output, in the shape that the spec promises."""
        if self._granularity[name] != "sequence":
            return array
        return array[0] if name == "embedding" and self._ports.first_token else array.reshape(-1)


def open_image_encoder(
    graph: Path, folder: Path, spec: EncoderSpec, ports: ImagePorts, *, count: int = 0, threads: int = 0
) -> Instances[EncoderItem]:
    """Open an image graph for serving; a copy prepared for this machine is kept in `folder` (see `prepared/`).

    count: narrow instances; 0 = one for each core. threads: of the wide one; 0 = all cores. Raises LoadFailed.
    """
    threads = threads or available_cores()
    narrow, *wide = open_shared(graph, folder, threads=(1,) if threads == 1 else (1, threads))
    instances = tuple(ImageEncoder(narrow, spec, ports) for _ in range(count or available_cores()))
    return Instances(instances, ImageEncoder(wide[0], spec, ports) if wide else None)
