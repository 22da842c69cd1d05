"""Go on learning in service: each run moves the times a little, and a new choice must be clearly better.

Both are pure. A machine that became busy makes all runs slower, of which only the sizes in use are seen; so what a run
differs is believed of the machine's pace first, and only what the pace does not explain of its own size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from naiad.scheduling.learned.curve import Curve, Times
from naiad.scheduling.learned.rule import LearnedRule, chosen_texts

PACE_RATE = 0.2
"""Share of what a run differs from its expectation that is believed of the machine: half of it after 3 runs."""

SIZE_RATE = 0.008
"""The same of its own size. A machine three times slower so makes the sizes in use seem 4 % dearer than the others."""

LARGEST_STEP = 2.0
"""A run that took longer than so many times its expectation counts as that: the process may just have been stopped."""

BETTER = 0.05
"""What a choice must save against the one in use before it takes its place."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One run, as far as its cost goes."""

    texts: int
    tokens: int
    """Padding included."""
    seconds: float
    load: float = 0.0
    """How many of the other narrow instances ran, too: 0.0 none, 1.0 all of them."""
    is_wide: bool = False
    stands_for: int = 1
    """Runs of its kind, of which only this one was tried: it says so much more of its own size, nothing of the pace."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known after some runs in service."""

    sizes: Curve
    """How they compare."""
    pace: float = 1.0
    """How many times longer all of them take now."""

    @property
    def curve(self) -> Curve:
        """The times as they are now."""
        sizes, pace = self.sizes, self.pace
        return Curve(
            sizes.alone.scaled(pace),
            sizes.together.scaled(pace),
            sizes.busy_alone.scaled(pace),
            sizes.busy_together.scaled(pace),
            sizes.wide.scaled(pace),
        )


def learn(watched: Watched, ran: Ran) -> Watched:
    """What is known after one more run."""
    curve, kind = watched.sizes, "alone" if ran.texts == 1 else "together"
    quiet: Times = curve.wide if ran.is_wide else getattr(curve, kind)
    busy: Times = curve.wide if ran.is_wide else getattr(curve, "busy_" + kind)
    if not quiet.points or ran.seconds <= 0 or ran.tokens < 1:
        return watched
    quiet_s, busy_s = quiet.seconds(ran.tokens), busy.seconds(ran.tokens)
    surprise = ran.seconds / (watched.pace * (quiet_s + (busy_s - quiet_s) * ran.load))
    step = math.log(min(max(surprise, 1 / LARGEST_STEP), LARGEST_STEP))
    near = quiet if ran.load < 0.5 else busy
    name = "wide" if ran.is_wide else kind if near is quiet else "busy_" + kind
    rate = 1 - (1 - SIZE_RATE) ** ran.stands_for
    sizes = replace(curve, **{name: near.moved(ran.tokens, math.exp(rate * step))})
    return Watched(sizes, watched.pace * math.exp(PACE_RATE * step if ran.stands_for == 1 else 0.0))


def settle(rule: LearnedRule, curve: Curve, tokens: int) -> LearnedRule:
    """The rule to go on with: the new prices, unless they would choose otherwise without clear gain.

    tokens: of a usual text. Asked now and then, not after each run: working out the prices takes a millisecond.
    """
    tokens = min(tokens, rule.limit)
    new = replace(rule, curve=curve)
    chosen, before = chosen_texts(new, tokens), chosen_texts(rule, tokens)
    if chosen != before and cost_of(new, chosen, tokens) > (1 - BETTER) * cost_of(new, before, tokens):
        return rule
    if new.prefers_wide(tokens) != rule.prefers_wide(tokens):
        least, most = sorted((curve.alone.seconds(tokens), curve.wide.seconds(tokens)))
        if least > (1 - BETTER) * most:
            return rule
    return new


def cost_of(rule: LearnedRule, texts: int, tokens: int) -> float:
    """Seconds for each text of that size when so many run together and all instances are busy."""
    return rule.busy.alone[tokens] if texts == 1 else rule.busy.together[texts * tokens] / texts
