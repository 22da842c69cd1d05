"""One answer to the question why batches have their size, and what is asked of the facts on the way to it."""

from __future__ import annotations

from dataclasses import dataclass

from naiad.serving.explaining.facts import Facts

BUSY = 0.85
"""Instances that run for this share of the time are what limits throughput."""

FULL = 0.9
"""A batch of this share of the most rows is as good as full."""

SOLID = 3
"""Runs of a size that make its mean time worth a word."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One answer."""

    why: str
    change: str = ""
    """What to do about it; empty: nothing."""


def growth(facts: Facts) -> tuple[int, int] | None:
    """The smallest and the largest size that ran often enough to compare their times, if they differ."""
    solid = [rows for rows, runs in facts.runs.items() if runs >= SOLID]
    return (min(solid), max(solid)) if len(solid) > 1 else None


def gains_by_joining(facts: Facts) -> bool:
    """Whether a row costs clearly less in a large run than in a small one; taken for granted while nothing is known."""
    sizes = growth(facts)
    if sizes is None:
        return True
    small, large = sizes
    return facts.run_s(large) / large < 0.8 * facts.run_s(small) / small


def is_alone(facts: Facts) -> bool:
    """Whether there is hardly ever more than one request."""
    return facts.under_way <= 1.2


def rows_under_way(facts: Facts) -> float:
    """Rows of the requests that wait or run, on average."""
    return facts.under_way * facts.rows / max(1, facts.requests)
