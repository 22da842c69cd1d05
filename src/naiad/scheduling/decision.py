"""What a batching policy says, and what it is told.

A policy is a pure function `decide(situation, rule) -> Decision`, so that every batching question is a table
test with no loop and no clock. The scheduler asks it whenever an instance is idle and something waits, and does what it
says.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol


class Waiting(Protocol):
    """What a policy may know of a waiting item."""

    size: int
    """Rows for tensor models, tokens for text encoders; at least 1."""
    shape_key: Hashable
    """Items with different keys may not share a batch."""
    queued_s: float
    """Monotonic seconds."""


@dataclass(slots=True)
class Situation:
    """All that a policy may know; the scheduler fills one anew for every question, so a policy keeps none."""

    waiting: Sequence[Waiting]
    """Items in the order in which they would run; at least one."""
    now: float
    """Monotonic seconds."""
    idle: int = 1
    """Instances with nothing to do, the one that is to run this included."""


@dataclass(frozen=True, slots=True)
class Run:
    """Run these now."""

    picks: Sequence[int]
    """Indices into `waiting`, ascending."""
    instance: int | None = None
    """Which instance must run them, by its number; None: the one that the scheduler has chosen."""


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Nothing to run yet; ask again at this time, or when something arrives."""

    time_s: float


Decision = Run | WaitUntil

Policy = Callable[[Situation], Decision]
"""A rule bound to its settings."""
