"""What runs of one encoder cost on this machine, by their tokens: plain values, as measured and as written down.

What packing gains differs by processor, by model and by how many instances are busy, so nothing here is a constant.
Not here: how it is measured (`measuring.py`), what is chosen from it (`rule.py`), how it changes (`watching.py`).
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of one run by its tokens, where it was measured; on straight lines between."""

    points: tuple[tuple[int, float], ...] = ()
    """(tokens, seconds), ascending by tokens. Seconds never fall: more tokens cannot be quicker, only noise is."""

    def __post_init__(self) -> None:
        """Refuse what cannot be a measurement. Raises ValueError."""
        tokens = [point[0] for point in self.points]
        seconds = [point[1] for point in self.points]
        grows = tokens == sorted(set(tokens)) and seconds == sorted(seconds)
        if not grows or min((*tokens, *seconds), default=1) <= 0:
            raise ValueError(f"times must be positive and grow with the tokens: {self.points}")

    @classmethod
    def of(cls, measured: Iterable[tuple[int, float]]) -> Times:
        """From measured points in any order: noise only adds, so a smaller run takes no longer than a larger one."""
        points: list[tuple[int, float]] = []
        least = float("inf")
        for tokens, seconds in sorted(measured, reverse=True):
            least = min(least, seconds)
            points.append((tokens, least))
        return cls(tuple(reversed(points)))

    @property
    def most(self) -> int:
        """The largest run that was measured, in tokens; 0 = nothing was."""
        return self.points[-1][0] if self.points else 0

    def seconds(self, tokens: int) -> float:
        """What a run of so many tokens takes; outside of what was measured, along the nearest line.

        Never less than in proportion to the smallest run measured, below it. There must be at least one point.
        """
        points = self.points
        if len(points) == 1:
            return points[0][1] * tokens / points[0][0]
        at = min(max(bisect_left(points, (tokens, 0.0)), 1), len(points) - 1)
        (left, left_s), (right, right_s) = points[at - 1], points[at]
        seconds = left_s + (right_s - left_s) * (tokens - left) / (right - left)
        return max(seconds, left_s * tokens / left) if tokens < left else seconds

    def table(self, most: int) -> list[float]:
        """Seconds of 0 to `most` tokens: `seconds` for all of them at once."""
        tokens = np.arange(most + 1, dtype=np.float64)
        sizes, seconds = np.array(self.points).T
        first, last = (seconds[0] / sizes[0],) * 2
        if len(sizes) > 1:
            first, last = ((seconds[at + 1] - seconds[at]) / (sizes[at + 1] - sizes[at]) for at in (0, -2))
        below = np.maximum(seconds[0] - first * (sizes[0] - tokens), tokens * seconds[0] / sizes[0])
        above = seconds[-1] + last * (tokens - sizes[-1])
        between = np.interp(tokens, sizes, seconds)
        table: list[float] = np.where(tokens < sizes[0], below, np.where(tokens > sizes[-1], above, between)).tolist()
        return table

    def scaled(self, factor: float) -> Times:
        """All of them so many times longer."""
        return Times(tuple((tokens, seconds * factor) for tokens, seconds in self.points))

    def moved(self, tokens: int, factor: float) -> Times:
        """The sizes next to that one so many times longer."""
        points = self.points
        above = min(bisect_left(points, (tokens, 0.0)), len(points) - 1)
        below = above if points[above][0] <= tokens else max(0, above - 1)
        return Times.of(
            (at, seconds * factor if below <= n <= above else seconds) for n, (at, seconds) in enumerate(points)
        )


@dataclass(frozen=True, slots=True)
class Curve:
    """What one encoder's runs cost. On a machine with one narrow instance, quiet and busy are the same."""

    alone: Times
    """One text on one narrow instance while the others rest."""
    together: Times
    """Several texts in one run on one narrow instance while the others rest."""
    busy_alone: Times
    """One text on each narrow instance, all of them running."""
    busy_together: Times
    """Several texts on each narrow instance, all of them running."""
    wide: Times = Times()
    """One text on the wide instance; empty where there is none."""

    def __post_init__(self) -> None:
        """Refuse a curve that says nothing. Raises ValueError."""
        if not all(times.points for times in (self.alone, self.together, self.busy_alone, self.busy_together)):
            raise ValueError("a curve needs times of texts alone and together, quiet and busy")

    def to_json(self) -> str:
        """The other way: `from_json`."""
        return json.dumps({name: value["points"] for name, value in asdict(self).items()})

    @classmethod
    def from_json(cls, text: str) -> Curve:
        """Read what `to_json` wrote. Raises ValueError for anything else."""
        try:
            document = json.loads(text)
            return cls(
                **{name: Times(tuple((int(at), float(s)) for at, s in points)) for name, points in document.items()}
            )
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"no curve: {text[:200]!r}") from error
