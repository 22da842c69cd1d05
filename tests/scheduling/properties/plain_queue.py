"""A queue and a batcher that are slow and plain, to compare the real ones with.

Written from Triton's description of its dynamic batcher (docs/reference/model-config.md has ours), in lists and sorts.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from naiad.core.model.config import DynamicBatching, QueuePolicy


@dataclass
class Waiting:
    """A job that waits."""

    number: int
    """Of its arrival."""
    size: int
    shape_key: Hashable
    level: int
    policy: QueuePolicy
    queued_s: float
    deadline_s: float
    """Infinity: none."""


class PlainQueue:
    """What waits, sorted anew whenever somebody asks."""

    def __init__(self, batching: DynamicBatching, most: int) -> None:
        self._levels = max(1, batching.priority_levels)
        self._default_level = batching.default_priority_level or 1
        self._default_policy = batching.default_queue_policy
        self._policies: Mapping[int, QueuePolicy] = batching.priority_queue_policies
        self._most = most
        self.waiting: list[Waiting] = []

    def takes(self, sizes: Sequence[int], priority: int) -> bool:
        """Whether there is room for all of these."""
        level, policy = self._level(priority)
        inside = sum(one.level == level for one in self.waiting)
        is_full = policy.max_queue_size and inside + len(sizes) > policy.max_queue_size
        return not is_full and len(self.waiting) + len(sizes) <= self._most

    def add(self, number: int, size: int, shape_key: Hashable, now: float, priority: int, timeout_us: int) -> None:
        level, policy = self._level(priority)
        limit_s = policy.default_timeout_s
        if policy.allows_timeout_override and 0 < timeout_us < limit_s * 1e6:
            limit_s = timeout_us / 1e6
        deadline_s = now + limit_s if limit_s else float("inf")
        self.waiting.append(Waiting(number, size, shape_key, level, policy, now, deadline_s))

    def remove(self, numbers: Sequence[int]) -> None:
        self.waiting = [one for one in self.waiting if one.number not in numbers]

    def expire(self, now: float) -> list[int]:
        """Take out, and give, those whose time is over and whose policy rejects them."""
        gone = [one.number for one in self.waiting if one.deadline_s <= now and not one.policy.delays_on_timeout]
        self.remove(gone)
        return gone

    def order(self, now: float) -> list[Waiting]:
        """By level; in each those in time, by arrival, then those that are late, as they became so."""

        def place(one: Waiting) -> tuple[int, bool, float, int]:
            is_late = one.deadline_s <= now
            return one.level, is_late, one.deadline_s if is_late else 0.0, one.number

        return sorted(self.waiting, key=place)

    def _level(self, priority: int) -> tuple[int, QueuePolicy]:
        level = priority if 1 <= priority <= self._levels else self._default_level
        return level, self._policies.get(level, self._default_policy)


def batch_of(order: Sequence[Waiting], now: float, most: int, preferred: Sequence[int], delay_s: float) -> int:
    """How many of the first run now; 0: better wait."""
    totals = list(accumulate(one.size for one in order))
    fits = 1
    while fits < len(order) and totals[fits] <= most and order[fits].shape_key == order[0].shape_key:
        fits += 1
    wanted = preferred or (most,)
    reached = [count for count in range(1, fits + 1) if totals[count - 1] in wanted]
    passed = [count for count in range(1, min(fits + 1, len(order))) if totals[count] > max(wanted)]
    marked = reached[-1:] or passed[:1]
    is_over = bool(delay_s) and now - min(one.queued_s for one in order[:fits]) >= delay_s
    if marked and not is_over:
        return marked[0]
    can_grow = fits == len(order) and totals[fits - 1] < max(wanted)
    return 0 if delay_s and not is_over and can_grow else fits
