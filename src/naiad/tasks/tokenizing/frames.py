"""The special tokens around texts, and which tokens stay when a text or pair is cut.

Counted by looking at what a tokenizer makes of the text `a`: frames are the same for every text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from naiad.core.errors import LoadFailed
from naiad.core.tensor import Array


@dataclass(frozen=True, slots=True)
class Frame:
    """How many special tokens stand before, between and after the texts."""

    before: int
    between: int
    after: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.before + self.between + self.after

    def cut(self, values: list[Any], limit: int, left: bool) -> list[Any]:
        """A single text's values with the special tokens and as many others as fit; `left`: its last instead."""
        room = limit - self.total
        text = values[self.before : len(values) - self.after]
        kept = text[len(text) - room :] if left else text[:room]
        return values[: self.before] + kept + values[len(values) - self.after :]

    def positions(self, first: int, second: int, kept: tuple[int, int], left: bool) -> Array:
        """Places to keep of a pair whose halves have `first` and `second` tokens, to keep `kept` of each."""
        begin = self.before + first + self.between
        end = begin + second
        ranges = [
            (self.before + first - kept[0], self.before + first) if left else (self.before, self.before + kept[0]),
            (end - kept[1], end) if left else (begin, begin + kept[1]),
        ]
        edges = [(0, self.before), (self.before + first, begin), (end, end + self.after)]
        return ranges_of(edges[0], ranges[0], edges[1], ranges[1], edges[2])


def ranges_of(*ranges: tuple[int, int]) -> Array:
    """The positions of several ranges, one after the other."""
    return np.concatenate([np.arange(begin, end) for begin, end in ranges])


def single_frame(rust: Any) -> Frame:
    """The frame of a single text. Raises LoadFailed where it gives token type ids, which single texts have not."""
    encoding = rust.encode("a")
    mask = encoding.special_tokens_mask
    before = mask.index(0) if 0 in mask else len(mask)
    return Frame(before, 0, sum(mask) - before)


def pair_frame(rust: Any) -> Frame:
    """The frame of a pair. Raises LoadFailed for a tokenizer that has no tokens for `a`."""
    parts = rust.encode("a", "a").sequence_ids
    if 0 not in parts or 1 not in parts:
        raise LoadFailed("the tokenizer gives no tokens for the text 'a'; its vocabulary needs an unknown token")
    before, begin = parts.index(0), parts.index(1)
    return Frame(before, begin - before - parts.count(0), len(parts) - begin - parts.count(1))
