"""Choose from measured times: what to join, over how many idle instances, and where a lone text runs.

`decide_learned` takes the oldest text and the company that makes a run cheapest against each text by itself; where no
company does, the oldest runs alone. So it is never worse than one text at a time, and packs end where another text
would cost more than it saves. Figures: docs/explanation/design.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from naiad.scheduling.decision import ALONE, Decision, Run, Situation, WaitUntil
from naiad.scheduling.learned.curve import Curve, Times

WORTH = 0.02
"""Share of the time that something must save to be done at all: a smaller pack answers sooner, and times are noisy."""

RUN_S = 80e-6
"""What a run costs besides: the way to the instance's thread and back (see `runner`)."""


LONE_TOKENS = 512
"""Longer texts that have the machine to themselves run where those of this length do."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Seconds by tokens, looked up instead of worked out: a policy is asked for every batch."""

    alone: Sequence[float]
    together: Sequence[float]

    @classmethod
    def of(cls, alone: Times, together: Times, limit: int) -> Prices:
        """Prices of up to `limit` tokens."""
        return cls(*([seconds + RUN_S for seconds in times.table(limit)] for times in (alone, together)))


@dataclass(frozen=True, slots=True)
class LearnedRule:
    """One encoder's batching, from what its runs cost."""

    curve: Curve
    instances: int
    """Narrow ones."""
    limit: int
    """Tokens of one batch at most, padding included; a longer text runs alone."""
    pads: bool = False
    """Texts of a run are padded to the longest; otherwise they are laid end to end."""
    window: int = 64
    """How many of the oldest items are looked at."""
    max_delay_s: float = 0.0
    """How long the oldest item may wait for company, while more would make the run cheaper."""
    quiet: Prices = field(init=False, repr=False, compare=False)
    busy: Prices = field(init=False, repr=False, compare=False)
    wide: Sequence[bool] = field(init=False, repr=False, compare=False)
    """By tokens: whether all cores answer a text sooner that has the machine to itself."""

    def __post_init__(self) -> None:
        """Work out the prices once."""
        curve = self.curve
        object.__setattr__(self, "quiet", Prices.of(curve.alone, curve.together, self.limit))
        object.__setattr__(self, "busy", Prices.of(curve.busy_alone, curve.busy_together, self.limit))
        object.__setattr__(
            self, "wide", [self.prefers_wide(tokens) for tokens in range(max(self.limit, LONE_TOKENS) + 1)]
        )

    def prefers_wide(self, tokens: int) -> bool:
        """Whether a text that has the machine to itself is answered sooner by all cores than by one."""
        wide, curve = self.curve.wide, self.curve
        return bool(wide.points) and wide.seconds(tokens) < (1.0 - WORTH) * curve.alone.seconds(tokens)


@dataclass(frozen=True, slots=True)
class Pack:
    """Items that shall run together."""

    picks: Sequence[int]
    """Indices into what waits, ascending; the oldest is among them."""
    tokens: int
    """Tokens of all of them, padding included."""
    ratio: float
    """What the run costs, as a share of what they cost one by one."""


def decide_learned(situation: Situation, rule: LearnedRule) -> Decision:
    """Take the oldest and the company that makes the run cheapest; over several idle instances, what ends soonest."""
    waiting = situation.waiting
    sizes = [item.size for item in waiting[: rule.window]]
    pack = cheapest_pack(sizes, _budget(sizes, situation.idle, rule), rule)
    if rule.max_delay_s and len(pack.picks) == len(waiting) and pack.tokens < rule.limit:
        deadline_s = min(item.queued_s for item in waiting) + rule.max_delay_s
        if situation.now < deadline_s:
            return WaitUntil(deadline_s)
    return Run(pack.picks)


def cheapest_pack(sizes: Sequence[int], budget: int, rule: LearnedRule) -> Pack:
    """The first item and those that save most with it, within the budget; the smallest pack of about equal ones.

    Nearest lengths first: less is padded, or lanes of a pack are narrower.
    """
    oldest = sizes[0]
    if oldest > budget:
        return Pack((0,), oldest, 1.0)
    alone, together, pads = rule.busy.alone, rule.busy.together, rule.pads
    order = sorted(range(1, len(sizes)), key=lambda index: abs(sizes[index] - oldest))
    picks, tokens, ratios = [0], [oldest], [1.0]
    longest, apart_s = oldest, alone[oldest]
    for index in order:
        size = sizes[index]
        total = max(longest, size) * (len(picks) + 1) if pads else tokens[-1] + size
        if total > budget:
            continue
        longest = max(longest, size)
        apart_s += alone[size]
        picks.append(index)
        tokens.append(total)
        ratios.append(together[total] / apart_s)
    good_enough = min(ratios) + WORTH
    last = next(at for at, ratio in enumerate(ratios) if ratio <= good_enough)
    return Pack(sorted(picks[: last + 1]), tokens[last], ratios[last])


def chosen_texts(rule: LearnedRule, tokens: int) -> int:
    """How many texts of that size a run takes when many wait."""
    return len(cheapest_pack([tokens] * rule.window, rule.limit, rule).picks)


def decide_otherwise(situation: Situation, rule: LearnedRule) -> Decision:
    """Do now and then what the rule does not: the oldest alone instead of a pack, or what packs would be best.

    Only times that are seen stay true; without it a wrong one would keep its choice for ever.
    """
    decision = decide_learned(situation, rule)
    if isinstance(decision, WaitUntil) or len(decision.picks) > 1 or rule.limit == 1:
        return ALONE
    together = rule.busy.together
    best = min(range(1, rule.limit + 1), key=lambda tokens: together[tokens] / tokens)
    picks, longest, tokens = [0], situation.waiting[0].size, situation.waiting[0].size
    for index, item in enumerate(situation.waiting[1 : rule.window], 1):
        total = max(longest, item.size) * (len(picks) + 1) if rule.pads else tokens + item.size
        if total <= best:
            picks.append(index)
            longest, tokens = max(longest, item.size), total
    return Run(picks)


def _budget(sizes: Sequence[int], idle: int, rule: LearnedRule) -> int:
    """Tokens for this run: all that is allowed, or a part of a short queue that several idle instances share."""
    count, queued = len(sizes), sum(sizes)
    if idle < 2 or count < 2 or queued >= idle * rule.limit:
        return rule.limit
    parts = min(range(1, min(idle, count) + 1), key=lambda parts: _seconds_in_parts(count, queued, parts, idle, rule))
    return min(rule.limit, -(-queued // parts))


def _seconds_in_parts(count: int, queued: int, parts: int, idle: int, rule: LearnedRule) -> float:
    """How long a short queue takes when that many instances run equal parts of it side by side."""
    texts, tokens = -(-count // parts), -(-queued // parts)
    if tokens > rule.limit:
        runs = -(-tokens // rule.limit)
        return runs * rule.busy.together[rule.limit]
    load = (rule.instances - idle + parts - 1) / max(1, rule.instances - 1)
    quiet_s, busy_s = ((prices.alone if texts == 1 else prices.together)[tokens] for prices in (rule.quiet, rule.busy))
    return quiet_s + (busy_s - quiet_s) * min(1.0, load)
