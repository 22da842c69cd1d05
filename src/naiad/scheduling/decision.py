"""What a batching policy says, and what it is told.

A policy is a pure function `decide(waiting, now, idle, rule) -> Decision`, so that every batching question is a table
test with no loop and no clock. The scheduler asks it whenever an instance is idle and something waits, and does what it
says.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Waiting(Protocol):
    """What a policy may know of a waiting item."""

    size: int
    """Rows for tensor models, tokens for text encoders; at least 1."""
    shape_key: Hashable
    """Items with different keys may not share a batch."""
    queued_s: float
    """Monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Run:
    """Run these now."""

    picks: Sequence[int]
    """Indices into `waiting`, ascending."""


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Nothing to run yet; ask again at this time, or when something arrives."""

    time_s: float


Decision = Run | WaitUntil

Policy = Callable[[Sequence[Any], float, int], Decision]
"""A rule bound to its settings: waiting items in order (at least one), now, idle instances → decision."""
