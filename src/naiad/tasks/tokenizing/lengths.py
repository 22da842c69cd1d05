"""Arithmetic of lengths: how much of a text or pair fits, and where windows over a long one begin.

Pure functions over token counts; the results equal those of the truncation built into the Rust tokenizers, which we do
not use because it is state on a shared object and does not say what it cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

CutStrategy = Literal["first", "second", "longest"]
"""Which half of a pair gives way when both do not fit; `longest` shortens the longer one first."""


def fit_pair(
    first: int, second: int, room: int, strategy: CutStrategy, odd_to_first: bool = False
) -> tuple[int, int] | None:
    """How many tokens to keep of each half so that both fit in `room`.

    odd_to_first: where both are cut, the first half keeps one more; else the longer one.

    None where the half that must give way is not longer than what has to go.
    """
    excess = first + second - room
    if excess <= 0:
        return first, second
    if strategy == "first":
        return (first - excess, second) if first > excess else None
    if strategy == "second":
        return (first, second - excess) if second > excess else None
    return _fit_longest(first, second, room, odd_to_first)


def _fit_longest(first: int, second: int, room: int, odd_to_first: bool) -> tuple[int, int]:
    """Shorten the longer half until it is as long as the other, then both."""
    short = min(first, second)
    if short * 2 <= room:
        kept_short, kept_long = short, room - short
    else:
        kept_short = room // 2
        kept_long = kept_short + room % 2
        if odd_to_first:
            return kept_long, kept_short
    return (kept_short, kept_long) if first <= second else (kept_long, kept_short)


def windows(tokens: int, size: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Begin and end of windows of `size` over `tokens`, each sharing `overlap` tokens with the one before.

    The last window may be shorter; no tokens give one empty window. `overlap` must be less than `size`.
    """
    begin = 0
    while True:
        end = min(begin + size, tokens)
        yield begin, end
        if end >= tokens:
            return
        begin += size - overlap
