"""When the next request comes, learned from how the last ones came.

Clients that wait for their answer before they ask again come back a moment after it; others come in bursts, or
whenever they like. What tells these apart is how many requests are under way: with eight clients that wait, a ninth
request never comes. So gaps are kept by that number (the level), and apart for those that began with an answer and
those that began with a request.

Not here: whether it is worth waiting for what comes (`rule.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_LEVELS = 1024
"""Levels that are told apart; above, requests are so many that batches are full."""

CHANCE_RATE = 0.25
"""Share of what is believed that the last time makes up: clients that have left are waited for three times."""

MEAN_RATE, DEVIATION_RATE, DEVIATIONS = 0.125, 0.25, 4.0
"""How a round-trip time and its limit are estimated in TCP (RFC 6298, 2.3), which is the same question."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One request that probably comes."""

    mean_s: float
    """After what happened last before it."""
    limit_s: float
    """When it has not come by then, it probably does not come."""
    chance: float = 1.0
    """That it comes."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What comes if nothing is answered before."""

    since_s: float = 0.0
    """Monotonic; when the last request came, or the last answer left."""
    coming: Sequence[Expected] = ()
    """One after the other, as far as that is known."""
    ends: bool = False
    """After these, nobody is left who would ask: all wait for an answer."""


class _Gap:
    """How long it takes at one level until the next request comes, and how often one comes at all."""

    __slots__ = ("chance", "deviation_s", "mean_s")

    def __init__(self) -> None:
        self.chance = -1.0
        """That one comes in time to be of use; negative: nothing is known yet."""
        self.mean_s = -1.0
        """Of those that came; negative: none has come yet."""
        self.deviation_s = 0.0

    def hit(self, seconds: float) -> None:
        if self.mean_s < 0:
            self.mean_s, self.deviation_s = seconds, seconds / 2
        else:
            self.deviation_s += (abs(seconds - self.mean_s) - self.deviation_s) * DEVIATION_RATE
            self.mean_s += (seconds - self.mean_s) * MEAN_RATE
        self.chance = 1.0 if self.chance < 0 else self.chance + (1.0 - self.chance) * CHANCE_RATE

    def miss(self) -> None:
        self.chance = 0.0 if self.chance < 0 else self.chance * (1.0 - CHANCE_RATE)


class Arrivals:
    """The requests of one model: how many are under way, and how soon one more comes."""

    def __init__(self, levels: int = MOST_LEVELS) -> None:
        """levels: how many requests under way are told apart; those above count as the last."""
        self._after_request: list[_Gap] = []
        self._after_answer: list[_Gap] = []
        self._most = max(1, min(levels, MOST_LEVELS))
        self.level = 0
        """Requests that wait or run."""
        self._since_s = 0.0
        self._gaps = self._after_request
        """Those that the gap now under way belongs to."""
        self.useful_s = 0.0
        """A request that comes later than this is of no use to those that wait; the caller's to set, in
        view of what a run takes; 0: it is not known, so nothing is learned."""

    def note(self, level: int, now: float) -> None:
        """Take notice of how many are under way, whenever some have come or some have been answered."""
        before = self.level
        if level == before:
            return
        elapsed = now - self._since_s
        self.level, self._since_s = level, now
        if 0 < before < self._most and self.useful_s:
            gap = self._of(self._gaps, before)
            if elapsed >= self.useful_s:
                gap.miss()
            elif level > before:
                gap.hit(elapsed)
        if level > before and self.useful_s:
            for passed in range(max(1, before + 1), min(level, self._most)):
                self._of(self._after_request, passed).hit(0.0)
        self._gaps = self._after_request if level > before else self._after_answer

    def outlook(self, most: int) -> Outlook:
        """What comes next, `most` requests at most."""
        coming: list[Expected] = []
        gaps = self._gaps
        for level in range(self.level, min(self.level + most, self._most)):
            gap = gaps[level] if level < len(gaps) else None
            if gap is None or gap.chance < 0.5:
                return Outlook(self._since_s, coming, gap is not None and gap.chance >= 0)
            coming.append(Expected(gap.mean_s, gap.mean_s + DEVIATIONS * gap.deviation_s, gap.chance))
            gaps = self._after_request
        return Outlook(self._since_s, coming)

    @staticmethod
    def _of(gaps: list[_Gap], level: int) -> _Gap:
        while len(gaps) <= level:
            gaps.append(_Gap())
        return gaps[level]
