"""Sentence vectors: sentence-transformers on the same folder (the mean, where there are no modules)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from published.row import Published

from asking.doors import Outputs


class Embedding:
    def __init__(self, folder: Path, row: Published | None = None) -> None:
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(str(folder), device="cpu")
        self.torch_model = self._model[0].auto_model
        self.tokenizer = self._model.tokenizer
        if row is not None and row.sentence is None:
            self._model.max_seq_length = row.longest

    def expected(self, text: str) -> Any:
        return self._model.encode([text], show_progress_bar=False)[0]

    def ask(self, ask: Callable[..., Outputs], texts: Sequence[str]) -> list[Any]:
        return list(ask({"text": list(texts)})["embedding"])
