"""Relevance of a document for a query: sentence-transformers' CrossEncoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from published.row import Published

from asking.doors import Outputs

QUERY = "Where does Sarah live?"


class Ranking:
    def __init__(self, folder: Path, row: Published) -> None:
        from sentence_transformers import CrossEncoder

        self._model = CrossEncoder(str(folder), device="cpu", max_length=row.longest)
        self.torch_model, self.tokenizer = self._model.model, self._model.tokenizer

    def expected(self, text: str) -> Any:
        """Beside 1, the scale of logits: one that happens to be near 0 is not rounded any finer."""
        return np.array([1.0, float(self._model.predict([(QUERY, text)], show_progress_bar=False)[0])])

    def ask(self, ask: Callable[..., Outputs], texts: Sequence[str]) -> list[Any]:
        return [np.array([1.0, float(score)]) for score in ask({"query": [QUERY], "documents": list(texts)})["score"]]
