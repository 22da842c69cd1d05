"""Images: transformers' pipelines for classes, its models for vectors."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from published.row import Published

from asking.doors import Outputs

CANDIDATES = ("a harbour at dawn", "waves", "two cats on a sofa")


class Images:
    """What these tasks share: a pipeline, and answers of labels and scores."""

    task = "image-classification"

    def __init__(self, folder: Path, row: Published) -> None:
        from transformers import pipeline

        self._pipeline = pipeline(self.task, model=str(folder), device="cpu")

    def expected(self, image: bytes) -> Any:
        return [(one["label"], float(one["score"])) for one in self._pipeline(_open(image))]

    def ask(self, ask: Callable[..., Outputs], images: Sequence[bytes]) -> list[Any]:
        return _ranked(ask({"image": list(images)}))


class ZeroShotImages(Images):
    task = "zero-shot-image-classification"

    def expected(self, image: bytes) -> Any:
        found = self._pipeline(_open(image), candidate_labels=list(CANDIDATES))
        return [(one["label"], float(one["score"])) for one in found]

    def ask(self, ask: Callable[..., Outputs], images: Sequence[bytes]) -> list[Any]:
        return _ranked(ask({"image": list(images), "candidate_labels": list(CANDIDATES)}))


class ImageVectors:
    def __init__(self, folder: Path, row: Published) -> None:
        from transformers import AutoImageProcessor, AutoModel

        self._processor = AutoImageProcessor.from_pretrained(folder)
        self._model = AutoModel.from_pretrained(folder).eval()

    def expected(self, image: bytes) -> Any:
        import torch

        with torch.no_grad():
            output = self._model(**self._processor(_open(image), return_tensors="pt"))
        return output.pooler_output[0].numpy()

    def ask(self, ask: Callable[..., Outputs], images: Sequence[bytes]) -> list[Any]:
        return list(ask({"image": list(images)})["embedding"])


def _open(image: bytes) -> Any:
    from PIL import Image

    return Image.open(io.BytesIO(image)).convert("RGB")


def _ranked(outputs: Outputs) -> list[Any]:
    rows = zip(outputs["labels"], outputs["scores"], strict=True)
    return [[(label, float(score)) for label, score in zip(*row, strict=True)] for row in rows]
