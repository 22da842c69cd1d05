"""Tokens for a mask: transformers' pipeline. Every text gets a mask before its first and after its last word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from published.row import Published

from asking.doors import Outputs


class FillMask:
    def __init__(self, folder: Path, row: Published) -> None:
        from transformers import pipeline

        self._pipeline = pipeline("fill-mask", model=str(folder), device="cpu", top_k=3)
        self.torch_model, self.tokenizer = self._pipeline.model, self._pipeline.tokenizer
        self._cut = {"tokenizer_kwargs": {"truncation": True, "max_length": row.longest}}

    def expected(self, text: str) -> Any:
        found = self._pipeline(self._masked(text), **self._cut)
        return [
            [(one["token"], float(one["score"]), one["sequence"]) for one in mask]
            for mask in (found if isinstance(found[0], list) else [found])
        ]

    def ask(self, ask: Callable[..., Outputs], texts: Sequence[str]) -> list[Any]:
        outputs = ask({"text": [self._masked(text) for text in texts]}, top_k=3)
        found: list[list[Any]] = [[] for _ in texts]
        for index, *columns in zip(
            *(outputs[name] for name in ("text_index", "token_id", "score", "sequence")), strict=True
        ):
            found[index].append([(int(id_), float(score), text) for id_, score, text in zip(*columns, strict=True)])
        return found

    def _masked(self, text: str) -> str:
        mask = self.tokenizer.mask_token
        return f"{mask} {text}" if len(text) > 500 else f"{mask} {text} {mask}."
