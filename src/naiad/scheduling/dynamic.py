"""The dynamic batcher's rule: join rows of waiting requests, in order, as Triton does.

Source of the rule: Triton's dynamic batch scheduler, as its behaviour is described in its documentation of
`preferred_batch_size` and `max_queue_delay_microseconds`.
"""

from __future__ import annotations

from dataclasses import dataclass
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


def decide_dynamic(situation: Situation, rule: DynamicRule) -> Decision:
    """Pick a prefix of the queue; never skips a request, never splits one.

    A prefix that adds up to a preferred size is taken before a larger one, until the oldest request has waited for
    `max_delay_s`; then everything collected is taken.
    """
    waiting, now = situation.waiting, situation.now
    preferred = rule.preferred_sizes or (rule.max_batch_size,)
    largest = max(preferred)
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
    deadline = waiting[0].queued_s + rule.max_delay_s
    if marked and now < deadline:
        return _first(marked)
    if is_complete or total >= largest or now >= deadline:
        return _first(taken)
    return WaitUntil(deadline)


@cache
def _first(count: int) -> Run:
    return Run(range(count))
