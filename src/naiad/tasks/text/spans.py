"""Spans of tokens that may answer a question: how likely each is, and which characters they are. Pure."""

from __future__ import annotations

import numpy as np

from naiad.core.tensor import Array
from naiad.tasks.scores import softmax
from naiad.tasks.tokenizing.rows import Window

Span = tuple[int, int, float]
"""First and last token in the window, and the score."""


def best_spans(window: Window, logits: Array, cls_id: int | None, count: int, longest: int) -> tuple[list[Span], float]:
    """The most likely spans of the context, best first, and the score of there being none.

    `logits` is (tokens, 2) float32: how well each token begins and ends an answer. Only the context and the first token
    ([CLS], which stands for "no answer") share the probability; a span's score is that of its begin times its end.
    """
    allowed = window.ids == cls_id if cls_id is not None else np.zeros(len(window.ids), np.bool_)
    allowed[window.context] = True
    shares = softmax(np.where(allowed[:, None], logits, np.float32(-10_000)).T)
    empty_score = float(shares[0, 0] * shares[1, 0])
    begins, ends = shares[0, window.context], shares[1, window.context]
    longest = min(longest, len(begins))
    # Row i, column j: the span of j + 1 tokens from token i; past the end of the context it has no score.
    padded = np.concatenate([ends, np.zeros(longest - 1, ends.dtype)])
    products = begins[:, None] * np.lib.stride_tricks.sliding_window_view(padded, longest)
    flat = products.ravel()
    chosen = np.argpartition(-flat, count - 1)[:count] if count < flat.size else np.arange(flat.size)
    chosen = chosen[np.argsort(-flat[chosen], kind="stable")]
    offset = window.context.start
    spans = [
        (offset + place // longest, offset + place // longest + place % longest, float(flat[place]))
        for place in chosen.tolist()
        if place // longest + place % longest < len(begins)
    ]
    return spans, empty_score


def characters_of(window: Window, first: int, last: int, aligns_to_words: bool) -> tuple[int, int]:
    """Where a span begins and ends in the context, grown to whole words where that is wanted."""
    if aligns_to_words and window.words[first] >= 0 and window.words[last] >= 0:
        words = window.words[window.context]
        offset = window.context.start
        first = offset + int(np.argmax(words == window.words[first]))
        last = offset + len(words) - 1 - int(np.argmax(words[::-1] == window.words[last]))
    return int(window.offsets[first, 0]), int(window.offsets[last, 1])
