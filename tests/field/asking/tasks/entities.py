"""Named things: transformers' pipeline, token by token and in groups."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from published.row import Published

from asking.doors import Outputs


class Entities:
    def __init__(self, folder: Path, row: Published) -> None:
        from transformers import pipeline

        self._pipeline = pipeline("token-classification", model=str(folder), device="cpu")
        self.torch_model, self.tokenizer = self._pipeline.model, self._pipeline.tokenizer
        self.tokenizer.model_max_length = row.longest
        self._strategies = ("none", "simple") if self.tokenizer.is_fast else ("none",)

    def expected(self, text: str) -> Any:
        return [
            _plain(self._pipeline(text, aggregation_strategy=strategy)) if text else [] for strategy in self._strategies
        ]

    def ask(self, ask: Callable[..., Outputs], texts: Sequence[str]) -> list[Any]:
        answers = []
        for strategy in self._strategies:
            outputs = ask({"text": list(texts)}, aggregation_strategy=strategy)
            answers.append([_plain(json.loads(document)) for document in outputs["entities"]])
        return [list(one) for one in zip(*answers, strict=True)]


def _plain(entities: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "score": float(one["score"])} for one in entities]
