"""Whether to wait for company when nobody has said for how long: as long as it shortens the time that requests take.

Waiting delays those that are there, and holds up those that come by less than a run of their own would. What it gains
is a run: instead of `t(n) + t(m)` the instance is busy for `t(n + m)`, and idle while it waits. Where the time of a run
grows in proportion to its rows there is nothing to gain, and nobody ever waits. Clients that wait for their answers
gain that time in every round. Where requests come whether or not others have been answered, the next run would have
taken those that come anyway, which counts against waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from naiad.scheduling.adaptive.arrivals import Outlook
from naiad.scheduling.decision import Decision, Situation, WaitUntil
from naiad.scheduling.dynamic import DynamicRule, decide_dynamic

LEAST_RUN_S = 0.001
"""Shorter runs wait for nobody: timers of an event loop are no finer, and the way to a thread and back takes 0.1 ms."""

LEAST_WAIT_S = 0.001
"""The same of waits: who is expected at once is given as much time to come."""

GRAIN_S = 0.0005
"""A wait that has less than this left is over, because a timer may be early by so much."""

WORTH = 0.02
"""Share of the time of a request that waiting must save: times are noisy, and an answer now is certain."""

PATIENCE = 0.125
"""Share of a run that they are given where that is more."""

LOOKED_AT = 64
"""Requests to come that are looked at."""


@dataclass(frozen=True, slots=True)
class AdaptiveRule:
    """One model's batching: what is allowed, and what has been learned."""

    limits: DynamicRule
    """Without a delay."""
    seconds: Sequence[float] = ()
    """Of a run, by rows; empty: not known yet, so nobody waits."""
    rows: float = 1.0
    """Of a request, on average."""


def decide_adaptive(situation: Situation, rule: AdaptiveRule, outlook: Outlook) -> Decision:
    """Run what waits, or wait until those have come, or should have, with whom it runs better.

    Nobody waits longer for company than answering the first would have taken, nor while another instance could run what
    comes, nor behind a batch that nobody can join.
    """
    decision = decide_dynamic(situation, rule.limits)
    waiting, seconds = situation.waiting, rule.seconds
    if (
        isinstance(decision, WaitUntil)
        or situation.idle > 1
        or len(decision.picks) < len(waiting)
        or not (seconds and outlook.coming)
    ):
        return decision
    size = sum([item.size for item in waiting])
    run_s = _seconds(seconds, size)
    if run_s < LEAST_RUN_S:
        return decision
    patience_s = max(outlook.coming[0].limit_s, PATIENCE * run_s, LEAST_WAIT_S)
    began_s = max(situation.free_s, min([item.queued_s for item in waiting]))
    until_s = min(outlook.since_s + patience_s, began_s + _seconds(seconds, waiting[0].size))
    left_s = until_s - situation.now
    if left_s <= GRAIN_S or not _pays(len(waiting), size, left_s, situation.now, rule, outlook):
        return decision
    return WaitUntil(until_s)


def _pays(count: int, size: int, left_s: float, now: float, rule: AdaptiveRule, outlook: Outlook) -> bool:
    """Whether any number of those that come is worth waiting for, if the next may take `left_s` to come.

    Counted in seconds, over all requests of the run now and of the next. Requests that come back after their answer,
    and find the next run under way, wait for its end; those that come anyway do not come sooner for it.
    """
    seconds, most = rule.seconds, rule.limits.max_batch_size
    run_s, after_s = _seconds(seconds, size), outlook.since_s - now
    chance = outlook.coming[0].chance
    for more, expected in enumerate(outlook.coming[:LOOKED_AT], 1):
        rows = round(more * rule.rows)
        if size + rows > most:
            break
        after_s = max(0.0, after_s + expected.mean_s)
        other_s, both_s = _seconds(seconds, rows), _seconds(seconds, size + rows)
        saved_s = (count + more) * (run_s + other_s - both_s - after_s)
        if not (outlook.ends and more == len(outlook.coming)):
            saved_s -= count * other_s
        in_vain_s = (count + more) * left_s
        if chance * saved_s - (1 - chance) * in_vain_s > WORTH * (count + more) * both_s:
            return True
    return False


def _seconds(seconds: Sequence[float], rows: int) -> float:
    return seconds[rows] if rows < len(seconds) else seconds[-1]
