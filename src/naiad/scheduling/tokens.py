"""Length-aware rules for text: items are tokenized texts, and what a batch costs depends on their lengths.

`decide_packed` is for graphs that take texts laid end to end (cost = sum of lengths); `decide_padded` for those
that pad every text to the longest (cost = count * longest). Both always take the first item, so nobody starves,
and do not wait unless told to, because an idle instance serves nobody. Figures behind the defaults:
docs/explanation/design.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from naiad.scheduling.decision import Decision, Run, Situation, WaitUntil


@dataclass(frozen=True, slots=True)
class TokenRule:
    """One encoder's batching, in tokens."""

    max_tokens: int = 128
    """Tokens of one batch, padding included; a longer text runs alone."""
    window: int = 64
    """How many of the first items are looked at."""
    max_delay_s: float = 0.0
    """How long the oldest item may wait for company, while the batch is not full."""
    max_waste: float = 0.15
    """Padded only: largest share of a batch's tokens that may be padding."""


def decide_packed(situation: Situation, rule: TokenRule) -> Decision:
    """Take the first, then whatever still fits, in order."""
    waiting = situation.waiting
    budget = _fair_budget(situation, rule)
    picks = [0]
    total = waiting[0].size
    for index in range(1, min(len(waiting), rule.window)):
        if total + waiting[index].size <= budget:
            picks.append(index)
            total += waiting[index].size
    return _run_or_wait(picks, total, situation, rule)


def decide_padded(situation: Situation, rule: TokenRule) -> Decision:
    """Take the first and its nearest neighbours in length, within the token budget and the waste cap."""
    waiting = situation.waiting
    budget = _fair_budget(situation, rule)
    oldest = waiting[0].size
    others = sorted(range(1, min(len(waiting), rule.window)), key=lambda index: abs(waiting[index].size - oldest))
    picks = [0]
    longest = total = oldest
    for index in others:
        size = waiting[index].size
        padded = max(longest, size) * (len(picks) + 1)
        if padded <= budget and total + size >= padded * (1.0 - rule.max_waste):
            picks.append(index)
            longest = max(longest, size)
            total += size
    return _run_or_wait(sorted(picks), longest * len(picks), situation, rule)


def _run_or_wait(picks: list[int], cost: int, situation: Situation, rule: TokenRule) -> Decision:
    """Run what was picked, unless it may still wait and all that waits does not fill a batch."""
    waiting = situation.waiting
    if rule.max_delay_s and cost < rule.max_tokens and len(picks) == len(waiting):
        deadline_s = min(item.queued_s for item in waiting) + rule.max_delay_s
        if situation.now < deadline_s:
            return WaitUntil(deadline_s)
    return Run(picks)


def _fair_budget(situation: Situation, rule: TokenRule) -> int:
    """Tokens for this batch: an equal share of what waits when several instances are idle, `max_tokens` at most."""
    idle = situation.idle
    if idle <= 1:
        return rule.max_tokens
    queued = sum(item.size for item in situation.waiting[: rule.window])
    return min(rule.max_tokens, -(-queued // idle))
