"""What a batching policy says, and what it is told.

A policy is a pure function `decide(situation, rule) -> Decision`, so that every batching question is a table
test with no loop and no clock. The scheduler asks it whenever an instance is idle and something waits, and does what it
says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol


class Waiting(Protocol):
    """What a policy may know of a waiting item."""

    size: int
    """Rows for tensor models, tokens for text encoders; at least 1."""
    cost: int
    """Elements of the input that the bound on a batch's cost is about; 0 where there is none."""
    shape_key: Hashable
    """Items with different keys may not share a batch."""
    queued_s: float
    """Monotonic seconds."""


class InstanceLoad(Protocol):
    """What a policy may know of an instance."""

    capacity: int
    """Batches that may run at the same time."""
    in_hand: int
    """Batches that it has and that are not finished."""


@dataclass(slots=True)
class Situation:
    """All that a policy may know; the scheduler fills one anew for every question, so a policy keeps none."""

    waiting: Sequence[Waiting]
    """Items in the order in which they would run; at least one."""
    now: float
    """Monotonic seconds."""
    idle: int = 1
    """Batches that could start right now, this one included."""
    instances: Sequence[InstanceLoad] = ()
    """All of them, for policies that say which one must run a batch; never the wide one."""
    free_s: float = 0.0
    """Since when a batch could start, in monotonic seconds; 0: there always was an idle instance."""


@dataclass(frozen=True, slots=True)
class Run:
    """Run these now."""

    picks: Sequence[int]
    """Indices into `waiting`, ascending."""
    instance: int | None = None
    """Which of `instances` must run them; None: the one that the scheduler has chosen."""


ALONE = Run((0,))
"""The oldest by itself."""


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Nothing to run yet; ask again at this time, when something arrives, or when an instance has finished."""

    time_s: float
    """`math.inf`: there is no such time."""


Decision = Run | WaitUntil

Policy = Callable[[Situation], Decision]
"""A rule bound to its settings."""


def decide_last(situation: Situation, policy: Policy) -> Decision:
    """Say what a policy does when nobody else will come: as if every delay were over."""
    return policy(replace(situation, now=math.inf))
