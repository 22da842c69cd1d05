"""A bound on what a batch costs, besides the bound on its rows: tokens, pixels, whatever the elements of an input are.

It is put in front of any policy: that one is shown the first items that may share a batch, and chooses among them.
Whatever it picks then keeps the bound, since a part of a batch never costs more than the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

from naiad.scheduling.decision import Decision, Policy, Situation, Waiting, WaitUntil


@dataclass(frozen=True, slots=True)
class Affordable:
    """What a limit lets share a batch."""

    count: int
    """Of the first items."""
    is_full: bool
    """Nothing that costs anything may join them."""


@dataclass(frozen=True, slots=True)
class CostLimit:
    """What one batch may cost."""

    most: int
    """An item that costs more by itself runs alone: the bound is on what is joined, not on what may be asked."""
    pads: bool = False
    """Rows are padded to the longest of the batch, so that the batch costs its length for each; else the plain sum."""

    def look(self, waiting: Sequence[Waiting]) -> Affordable:
        """Say how many of the first items may share a batch; at least one."""
        cost = rows = longest = 0
        for count, item in enumerate(waiting):
            rows += item.size
            if self.pads:
                longest = max(longest, -(-item.cost // item.size))
                cost = longest * rows
            else:
                cost += item.cost
            if cost > self.most and count:
                return Affordable(count, is_full=True)
        return Affordable(len(waiting), is_full=cost >= self.most)


def decide_within(situation: Situation, limit: CostLimit, policy: Policy) -> Decision:
    """Have the policy decide about the items that the limit lets share a batch.

    Where it would wait for more although no more may join, it decides as if it had waited for long enough.
    """
    waiting = situation.waiting
    affordable = limit.look(waiting)
    if affordable.count < len(waiting):
        situation = replace(situation, waiting=waiting[: affordable.count])
    decision = policy(situation)
    if affordable.is_full and isinstance(decision, WaitUntil) and isfinite(decision.time_s):
        return policy(replace(situation, now=decision.time_s))
    return decision
