"""The rule of direct sequence batching: every row of the batch whose sequence has a step runs, the others rest.

Source of the rule: Triton's documentation of `direct`, `max_queue_delay_microseconds` and `minimum_slot_utilization`.
"""

from __future__ import annotations

from dataclasses import dataclass

from naiad.scheduling.decision import Decision, Run, Situation, WaitUntil


@dataclass(frozen=True, slots=True)
class DirectRule:
    """One model's direct batching."""

    rows: int
    """Of a batch, one for each sequence; at least 1."""
    max_delay_s: float = 0.0
    """How long the oldest step may wait for company."""
    minimum_utilization: float = 0.0
    """The part of the rows, from 0 to 1, that is enough not to wait any longer; 0: any."""


def decide_direct(situation: Situation, rule: DirectRule) -> Decision:
    """Pick the next step of every sequence; of several shapes, that of the lowest row. `waiting`: by row."""
    waiting = situation.waiting
    if rule.max_delay_s and rule.minimum_utilization and len(waiting) / rule.rows < rule.minimum_utilization:
        deadline = min(item.queued_s for item in waiting) + rule.max_delay_s
        if situation.now < deadline:
            return WaitUntil(deadline)
    shape_key = waiting[0].shape_key
    return Run([number for number, item in enumerate(waiting) if item.shape_key == shape_key])
