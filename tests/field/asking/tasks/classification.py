"""Labels and scores: transformers' pipelines for text classification and zero-shot classification."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from published.row import Published

from asking.doors import Outputs

CANDIDATES = ("travel by boat", "cooking", "a terrible film", "sports")


class Classification:
    def __init__(self, folder: Path, row: Published) -> None:
        from transformers import pipeline

        self._pipeline = pipeline("text-classification", model=str(folder), top_k=None, device="cpu")
        self.torch_model, self.tokenizer = self._pipeline.model, self._pipeline.tokenizer
        self._cut = {"truncation": True, "max_length": row.longest}

    def expected(self, text: str) -> Any:
        (found,) = self._pipeline([text], **self._cut)
        return {one["label"]: one["score"] for one in found}

    def ask(self, ask: Callable[..., Outputs], texts: Sequence[str]) -> list[Any]:
        outputs = ask({"text": list(texts)})
        assert outputs["label"].tolist() == outputs["labels"][:, 0].tolist()
        return [dict(zip(*row, strict=True)) for row in zip(outputs["labels"], outputs["scores"], strict=True)]


class ZeroShot:
    def __init__(self, folder: Path, row: Published) -> None:
        from transformers import pipeline

        self._pipeline = pipeline("zero-shot-classification", model=str(folder), device="cpu")
        self.torch_model, self.tokenizer = self._pipeline.model, self._pipeline.tokenizer
        self.tokenizer.model_max_length = row.longest

    def expected(self, text: str) -> Any:
        if not text:
            return {}  # the pipeline refuses it
        found = self._pipeline(text, candidate_labels=list(CANDIDATES))
        return dict(zip(found["labels"], found["scores"], strict=True))

    def ask(self, ask: Callable[..., Outputs], texts: Sequence[str]) -> list[Any]:
        outputs = ask({"text": list(texts), "candidate_labels": list(CANDIDATES)})
        found = [dict(zip(*row, strict=True)) for row in zip(outputs["labels"], outputs["scores"], strict=True)]
        return [one if text else {} for text, one in zip(texts, found, strict=True)]
