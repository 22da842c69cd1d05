"""Texts of a pack in lanes of equal width: attention then costs the square of a lane, not of the pack.

Lanes are filled to the same width with tokens that nobody asks for. Texts go by falling length into the emptiest lane,
and the number of lanes is the one that costs least, so that a layout never costs more than the plain row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapreplace


@dataclass(frozen=True, slots=True)
class Lanes:
    """Which texts, by their number, lie in which lane."""

    texts: Sequence[Sequence[int]]
    width: int
    """Tokens of each lane; none holds more."""

    @property
    def tokens(self) -> int:
        """Of all lanes, what fills them included."""
        return len(self.texts) * self.width

    def cost(self, pairs_per_token: int) -> int:
        """What a run costs, in pairs of tokens; see `lay_out`."""
        return _cost(self.tokens, self.width, pairs_per_token)


def lay_out(lengths: Sequence[int], pairs_per_token: int, limit: int = 0) -> Lanes:
    """Lay out texts of these lengths, at least one, as cheaply as possible.

    pairs_per_token: how many pairs of tokens attention takes as long for as everything else for one token. limit: of
    tokens in all lanes together, what fills them included, where texts are not one row; 0 = none.
    """
    count, total, longest = len(lengths), sum(lengths), max(lengths)
    order = sorted(range(count), key=lengths.__getitem__, reverse=True)
    best = Lanes([range(count)], total)
    for lanes, least in _promising(count, total, longest, pairs_per_token):
        if least >= best.cost(pairs_per_token):
            break
        found = _fill(order, lengths, lanes)
        fits = found.tokens <= limit or not limit
        if fits and found.cost(pairs_per_token) < best.cost(pairs_per_token):
            best = found
    return best


def _promising(count: int, total: int, longest: int, pairs_per_token: int) -> list[tuple[int, int]]:
    """(lanes, the least that so many can cost), the cheapest first."""
    found = []
    for lanes in range(2, count + 1):
        width = max(longest, -(-total // lanes))
        found.append((lanes, _cost(lanes * width, width, pairs_per_token)))
    return sorted(found, key=lambda candidate: candidate[1])


def _cost(tokens: int, width: int, pairs_per_token: int) -> int:
    return tokens * (pairs_per_token + width)


def _fill(order: Sequence[int], lengths: Sequence[int], count: int) -> Lanes:
    loads = [(0, lane) for lane in range(count)]
    lanes: list[list[int]] = [[] for _ in range(count)]
    for number in order:
        load, lane = loads[0]
        lanes[lane].append(number)
        heapreplace(loads, (load + lengths[number], lane))
    return Lanes(lanes, max(loads)[0])
