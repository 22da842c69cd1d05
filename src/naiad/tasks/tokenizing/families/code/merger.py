"""Merging the characters of words by fastBPE's rules, for vocabularies that the library's BPE cannot hold.

There merged symbols need not be tokens, and what is not the last piece of a word is marked behind, not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from heapq import heappop, heappush

WORDS_KEPT = 65_536
"""Words whose pieces are remembered; ordinary text repeats its words."""

END = "</w>"


class Merger:
    """Cuts words into pieces; merges given first come first."""

    def __init__(self, merges: Sequence[tuple[str, ...]]) -> None:
        self._ranks = {merge: rank for rank, merge in enumerate(merges) if len(merge) == 2}
        self.pieces = lru_cache(WORDS_KEPT)(self._pieces)
        """Word → lengths of its pieces in characters."""

    def _pieces(self, word: str) -> tuple[int, ...]:
        """Merge pairs by rank, then from the left, in a list linked by places; time grows as n log n."""
        symbols: list[str] = [*word[:-1], word[-1] + END]
        after = [*range(1, len(symbols)), -1]
        before = [*range(-1, len(symbols) - 1)]
        waiting: list[tuple[int, int, str, str]] = []

        def look_at(left: int) -> None:
            right = after[left]
            rank = self._ranks.get((symbols[left], symbols[right])) if right >= 0 else None
            if rank is not None:
                heappush(waiting, (rank, left, symbols[left], symbols[right]))

        for place in range(len(symbols)):
            look_at(place)
        while waiting:
            _, left, first, second = heappop(waiting)
            right = after[left]
            if right < 0 or symbols[left] != first or symbols[right] != second:
                continue  # one of the two has been merged meanwhile
            symbols[left], symbols[right] = first + second, ""
            after[left] = after[right]
            if after[left] >= 0:
                before[after[left]] = left
            look_at(left)
            if before[left] >= 0:
                look_at(before[left])
        lengths = [len(symbol) for symbol in symbols if symbol]
        return (*lengths[:-1], lengths[-1] - len(END))
