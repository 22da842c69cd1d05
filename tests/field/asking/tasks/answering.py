"""Answers out of a context, by the rules of the pipeline that transformers had before version 5, written out here.

The best span of each window by the product of its softmaxed start and end, inside the context, at most 15 tokens; equal
texts of several windows add up; answers grow to whole words. Type ids go to every model that has them, as in training;
version 5 of transformers leaves ALBERT's out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from published.row import Published

from asking.doors import Outputs

QUESTION = "Where does Sarah live?"
MAX_ANSWER, MAX_WINDOW, STRIDE, CANDIDATES = 15, 384, 128, 12


class Answering:
    def __init__(self, folder: Path, row: Published) -> None:
        from transformers import AutoModelForQuestionAnswering, AutoTokenizer

        self.torch_model = AutoModelForQuestionAnswering.from_pretrained(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self._size = min(MAX_WINDOW, row.longest)
        self._has_types = "token_type_ids" in self.tokenizer.model_input_names

    def expected(self, text: str) -> Any:
        if not text.strip():
            return None
        found: dict[str, list[Any]] = {}
        for score, start, end in self._spans(text):
            words = text[start:end].lower()
            known = found.setdefault(words, [0.0, start, end])
            known[0] += score
        score, start, end = max(found.values(), key=lambda one: one[0])
        return {"score": float(score), "start": start, "end": end, "answer": text[start:end]}

    def _spans(self, text: str) -> Iterator[tuple[float, int, int]]:
        import torch

        batch = self.tokenizer(
            QUESTION,
            text,
            truncation="only_second",
            max_length=self._size,
            stride=min(STRIDE, self._size // 2),
            return_overflowing_tokens=True,
            return_token_type_ids=self._has_types,
        )
        names = ("input_ids", "attention_mask", *(["token_type_ids"] if self._has_types else []))
        for index, encoding in enumerate(batch.encodings):
            with torch.no_grad():
                given = {name: torch.tensor([batch[name][index]]) for name in names}
                output = self.torch_model(**given)
            for score, first, last in _best(output.start_logits[0], output.end_logits[0], encoding.sequence_ids):
                words = [encoding.token_to_word(place) for place in (first, last)]
                ends = [encoding.word_to_chars(word, 1) for word in words]
                yield score, ends[0][0], ends[1][1]

    def ask(self, ask: Callable[..., Outputs], texts: Sequence[str]) -> list[Any]:
        asked = [text for text in texts if text.strip()]
        if not asked:
            return [None] * len(texts)
        outputs = ask({"question": [QUESTION], "context": asked})
        rows = zip(*(outputs[name] for name in ("score", "start", "end", "answer")), strict=True)
        answers = (
            {"score": float(score), "start": int(start), "end": int(end), "answer": answer}
            for score, start, end, answer in rows
        )
        return [next(answers) if text.strip() else None for text in texts]


def _best(starts: Any, ends: Any, parts: Sequence[int | None]) -> list[tuple[float, int, int]]:
    inside = np.array([part == 1 for part in parts])
    inside[0] = True  # the first token takes part in the softmax, as "no answer"
    first, second = (_softmax(np.where(inside, logits.numpy(), -10000.0)) for logits in (starts, ends))
    first[0] = second[0] = 0.0
    scores = np.tril(np.triu(np.outer(first, second)), MAX_ANSWER - 1)
    best = np.argsort(-scores, axis=None, kind="stable")[:CANDIDATES]
    places = (np.unravel_index(place, scores.shape) for place in best)
    return [(float(scores[a, b]), int(a), int(b)) for a, b in places if inside[a] and inside[b] and scores[a, b] > 0]


def _softmax(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    shifted = np.exp(logits - logits.max())
    return np.asarray(shifted / shifted.sum())
