"""A policy that learns: the rule in use, and the times that runs in service go on changing.

One for each encoder, on the event loop's thread. What it does with each run is pure and lies in `watching.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from naiad.scheduling.contract import Execution
from naiad.scheduling.decision import ALONE, Decision, Situation
from naiad.scheduling.learned.curve import Curve, Times
from naiad.scheduling.learned.rule import LearnedRule, chosen_texts, decide_learned, decide_otherwise
from naiad.scheduling.learned.watching import Ran, Watched, learn, settle

USUAL_TOKENS = 32
"""Tokens of a usual text, until texts have come."""

SETTLE_S = 5.0
"""Between two looks at whether another choice would be better."""

OTHERWISE_EVERY = 64
"""Questions: one in so many is answered otherwise, so that what is not done stays known."""

LEAST_S = 0.01
"""Between two runs that are learned from; of shorter ones, learning from each would cost more than it gives."""

AT_ONCE = 64
"""Runs that are learned from at once, out of the way of requests."""


class LearnedBatching:
    """A Policy, and the listener to the runs that it leads to."""

    def __init__(self, rule: LearnedRule) -> None:
        self.rule = rule
        self._watched = Watched(rule.curve)
        self._usual = float(USUAL_TOKENS)
        """Tokens of a text, a moving mean."""
        self._questions = 0
        """When several texts waited."""
        self._lone_questions = 0
        """Where a lone text runs, while one instance is better."""
        self._seen: list[Ran] = []
        """Runs to learn from."""
        self._learned_s = self._settled_s = float("-inf")

    def __call__(self, situation: Situation) -> Decision:
        """See `decide_learned`; now and then `decide_otherwise`."""
        rule = self.rule
        if len(situation.waiting) == 1:
            return decide_learned(situation, rule) if rule.max_delay_s else ALONE
        self._questions += 1
        if not self._questions % OTHERWISE_EVERY:
            return decide_otherwise(situation, rule)
        return decide_learned(situation, rule)

    def prefers_wide(self, tokens: int) -> bool:
        """Whether a text that has the machine to itself runs on all cores.

        Where it is answered sooner so; and now and then where it is not, as `decide_otherwise` does for several.
        """
        if self._is_sooner_wide(tokens):
            return True
        self._lone_questions += 1
        return not self._lone_questions % OTHERWISE_EVERY

    def ran(self, execution: Execution) -> None:
        """Learn from a run that has just ended, unless any of its texts failed."""
        now, texts = execution.finished_s, len(execution.jobs)
        if now - self._learned_s < LEAST_S or execution.successes < texts or not texts:
            return
        self._learned_s = now
        self._usual += (execution.size / texts - self._usual) * 0.01
        rule, tokens = self.rule, execution.size
        if rule.pads:
            tokens = texts * max(job.size for job in execution.jobs)
        load = min(1.0, execution.beside / max(1, rule.instances - 1))
        stands_for = OTHERWISE_EVERY if execution.is_wide and not self._is_sooner_wide(tokens) else 1
        ran = Ran(texts, tokens, now - execution.started_s, load, execution.is_wide, stands_for)
        self._seen.append(ran)
        if len(self._seen) >= AT_ONCE:
            self._learn(now)

    def _is_sooner_wide(self, tokens: int) -> bool:
        wide = self.rule.wide
        return wide[tokens] if tokens < len(wide) else wide[-1]

    @property
    def curve(self) -> Curve:
        """As runs have changed it; the rule goes on with it where it leads to no other choice, or to a better one."""
        return self._watched.curve

    def _learn(self, now: float) -> None:
        """Learn from what was seen; now and then look whether another choice is better."""
        for ran in self._seen:
            self._watched = learn(self._watched, ran)
        self._seen.clear()
        if now - self._settled_s >= SETTLE_S:
            self._settled_s = now
            self.rule = settle(self.rule, self.curve, self.usual_tokens)

    @property
    def usual_tokens(self) -> int:
        """Tokens of a usual text."""
        return max(1, round(self._usual))

    @property
    def chosen_tokens(self) -> int:
        """Tokens of a run of usual texts when many wait; 0 = each runs alone."""
        usual = self.usual_tokens
        texts = chosen_texts(self.rule, usual)
        return texts * usual if texts > 1 else 0

    def facts(self) -> dict[str, Any]:
        """For statistics and metrics, in plain values."""
        usual = self.usual_tokens
        return {
            "tokens_chosen": self.chosen_tokens,
            "usual_tokens": usual,
            "lone_on": "wide" if self._is_sooner_wide(usual) else "narrow",
            "seconds": [*_rows(self.curve)],
        }


def _rows(curve: Curve) -> Iterator[dict[str, Any]]:
    kinds: tuple[tuple[str, str, Times], ...] = (
        ("alone", "quiet", curve.alone),
        ("together", "quiet", curve.together),
        ("alone", "busy", curve.busy_alone),
        ("together", "busy", curve.busy_together),
        ("alone", "wide", curve.wide),
    )
    for texts, load, times in kinds:
        for tokens, seconds in times.points:
            yield {"texts": texts, "load": load, "tokens": tokens, "seconds": seconds}
