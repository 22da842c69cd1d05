"""The dynamic batcher's rule: join rows of waiting requests, in order, as Triton does.

Source of the rule: Triton's dynamic batch scheduler, as its behaviour is described in its documentation of
`preferred_batch_size` and `max_queue_delay_microseconds`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from naiad.scheduling.decision import Decision, Run, Situation, WaitUntil


@dataclass(frozen=True, slots=True)
class DynamicRule:
    """One model's batching, in rows."""

    max_batch_size: int
    """Rows of one batch; 1 = requests run alone."""
    preferred_sizes: tuple[int, ...] = ()
    """Empty: (max_batch_size,)."""
    max_delay_s: float = 0.0
    """How long the oldest request may wait for company."""
    preferred: frozenset[int] = field(init=False, repr=False, compare=False)
    largest: int = field(init=False, repr=False, compare=False)
    """Of the preferred sizes."""

    def __post_init__(self) -> None:
        """Look at the preferred sizes once; a configuration may list any number of them."""
        object.__setattr__(self, "preferred", frozenset(self.preferred_sizes or (self.max_batch_size,)))
        object.__setattr__(self, "largest", max(self.preferred))


def decide_dynamic(situation: Situation, rule: DynamicRule) -> Decision:
    """Pick a prefix of the queue; never skips a request, never splits one.

    A prefix that adds up to a preferred size is taken before a larger one, unless there is a delay and the request that
    has waited longest has waited for so long: then everything collected is taken.
    """
    waiting, now = situation.waiting, situation.now
    preferred, largest = rule.preferred, rule.largest
    taken = total = marked = 0
    is_complete = False  # no later arrival could join
    for item in waiting:
        if taken:
            if total + item.size > largest and not marked:
                marked = taken
            if total + item.size > rule.max_batch_size or item.shape_key != waiting[0].shape_key:
                is_complete = True
                break
        taken += 1
        total += item.size
        if total in preferred:
            marked = taken
        if total >= rule.max_batch_size:
            break
    if not rule.max_delay_s:
        return _first(marked or taken)
    deadline = min([item.queued_s for item in waiting[:taken]]) + rule.max_delay_s
    if now >= deadline:
        return _first(taken)
    if marked:
        return _first(marked)
    return _first(taken) if is_complete or total >= largest else WaitUntil(deadline)


@cache
def _first(count: int) -> Run:
    return Run(range(count))
