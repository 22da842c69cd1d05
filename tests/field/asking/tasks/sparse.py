"""A weight for each word that fits: sentence-transformers' SparseEncoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from published.row import Published

from asking.doors import Outputs


class Sparse:
    def __init__(self, folder: Path, row: Published) -> None:
        from sentence_transformers import SparseEncoder

        self._model = SparseEncoder(str(folder), device="cpu")
        self.torch_model, self.tokenizer = self._model[0].auto_model, self._model.tokenizer
        self._words = row.config["vocab_size"]

    def expected(self, text: str) -> Any:
        return self._model.encode([text], convert_to_sparse_tensor=False, show_progress_bar=False)[0].numpy()

    def ask(self, ask: Callable[..., Outputs], texts: Sequence[str]) -> list[Any]:
        outputs = ask({"text": list(texts)})
        ends = np.cumsum(outputs["counts"])
        answers = []
        for count, end in zip(outputs["counts"], ends, strict=True):
            dense = np.zeros(self._words, np.float32)
            dense[outputs["indices"][end - count : end]] = outputs["values"][end - count : end]
            answers.append(dense)
        return answers
