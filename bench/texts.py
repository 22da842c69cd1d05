"""The texts that the benchmark embeds: 512 of them, lengths lognormal, the same on every machine.

Words come from words.txt (common ones are repeated there, so that they are drawn more often). Lengths are what a mix of
queries, sentences and paragraphs looks like: median about 24 tokens, mean about 30, the longest some 200.
"""

from __future__ import annotations

import random
from pathlib import Path

COUNT = 512
MEAN_WORDS = 22.9
"""With MiniLM's tokenizer, punctuation and the two special tokens included, this gives 30 tokens on average."""
SIGMA = 0.7
"""Spread of the logarithm of the length."""


def make_texts(count: int = COUNT) -> list[str]:
    """The texts, in the order in which they are asked for."""
    source = random.Random(20)
    words = Path(__file__).with_name("words.txt").read_text().split()
    location = 0.0
    lengths = [source.lognormvariate(location, SIGMA) for _ in range(count)]
    scale = MEAN_WORDS * count / sum(lengths)
    return [_text(source, words, max(1, round(length * scale))) for length in lengths]


def _text(source: random.Random, words: list[str], length: int) -> str:
    """Sentences of four to eighteen words until there are `length` words."""
    sentences = []
    while length > 0:
        size = min(length, source.randint(4, 18))
        chosen = source.choices(words, k=size)
        sentences.append(" ".join(chosen).capitalize() + source.choice("...?"))
        length -= size
    return " ".join(sentences)
