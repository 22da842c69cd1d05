"""The banded search against the plain one over all pairs of tokens."""

from __future__ import annotations

import numpy as np
import pytest

from naiad.tasks.scores import softmax
from naiad.tasks.text.spans import best_spans, characters_of
from naiad.tasks.tokenizing.rows import Window


def window(tokens: int, begin: int, end: int, words: list[int] | None = None) -> Window:
    offsets = np.array([(3 * i, 3 * i + 2) for i in range(tokens)])
    numbers = np.array(words if words is not None else range(tokens))
    return Window(np.arange(tokens) + 100, None, slice(begin, end), offsets, numbers)


@pytest.mark.parametrize("longest", [1, 4, 100, 10**12])
@pytest.mark.parametrize("count", [1, 7, 10**12])
def test_the_best_spans_are_those_of_an_exhaustive_search(longest: int, count: int) -> None:
    logits = np.random.default_rng(1).normal(size=(30, 2)).astype(np.float32)
    row = window(30, 5, 29)
    spans, empty_score = best_spans(row, logits, 100, count, longest)
    allowed = np.array([i == 0 or 5 <= i < 29 for i in range(30)])
    begins, ends = softmax(np.where(allowed[:, None], logits, -1e4).T)
    plain = [
        (first, last, begins[first] * ends[last])
        for first in range(5, 29)
        for last in range(first, min(29, first + longest))
    ]
    plain = sorted(plain, key=lambda span: -span[2])[:count]
    assert [span[:2] for span in spans] == [span[:2] for span in plain]
    np.testing.assert_allclose([span[2] for span in spans], [span[2] for span in plain], rtol=1e-5)
    assert empty_score == pytest.approx(begins[0] * ends[0], rel=1e-5)


def test_spans_grow_to_words() -> None:
    row = window(8, 2, 7, [-1, 0, 0, 0, 1, 1, 1, -1])
    assert characters_of(row, 3, 4, True) == (6, 20)
    assert characters_of(row, 3, 4, False) == (9, 14)
    assert characters_of(row, 2, 2, True) == (6, 11)


def test_tokens_of_no_word_keep_their_own_place() -> None:
    assert characters_of(window(4, 1, 3, [-1, -1, 0, -1]), 1, 2, True) == (3, 8)
