"""Made-up machines: what runs cost on them, as a measurement would find it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from naiad.scheduling.learned.curve import Curve, Times
from naiad.scheduling.learned.rule import LearnedRule

SIZES = (8, 32, 64, 96, 128, 192, 256, 384, 512)


@dataclass(frozen=True)
class Machine:
    """Two narrow instances and a wide one; milliseconds by tokens."""

    name: str
    alone: Callable[[int], float]
    together: Callable[[int], float]
    busy: float = 1.0
    """How many times longer runs take while the other instance runs, too."""
    wide: float = 0.6
    """Of the time of a narrow one."""

    def __str__(self) -> str:
        return self.name

    def seconds(self, texts: int, tokens: int, *, busy: bool) -> float:
        return (self.alone if texts == 1 else self.together)(tokens) * (self.busy if busy else 1.0) / 1000

    @property
    def curve(self) -> Curve:
        def times(texts: int, *, busy: bool) -> Times:
            return Times.of((tokens, self.seconds(texts, tokens, busy=busy)) for tokens in SIZES)

        wide = Times.of((tokens, self.alone(tokens) * self.wide / 1000) for tokens in SIZES)
        return Curve(times(1, busy=False), times(2, busy=False), times(1, busy=True), times(2, busy=True), wide)

    def rule(self, limit: int = 512) -> LearnedRule:
        return LearnedRule(self.curve, instances=2, limit=limit)


PACKS = Machine("packs win", lambda t: 1.2 + 0.1 * t, lambda t: 1.2 + 0.1 * t + 0.00006 * t * t)
ALONE = Machine("alone wins", lambda t: 0.2 + 0.1 * t, lambda t: 0.2 + 0.13 * t)
SWEET = Machine("a sweet spot", lambda t: 2 + 0.1 * t, lambda t: 2 + 0.1 * t + 0.3 * max(0, t - 128))
SHARED = Machine("memory is shared", lambda t: 2 + 0.1 * t, lambda t: 2.2 + 0.1 * t, busy=1.7, wide=0.8)

MACHINES = (PACKS, ALONE, SWEET, SHARED)
