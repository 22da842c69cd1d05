"""A policy that learns when to wait: what it has seen of requests and runs, and the rule that it asks.

One for each scheduler, on the event loop's thread. What it decides is pure and lies in `rule.py`.
"""

from __future__ import annotations

from naiad.scheduling.adaptive.arrivals import Arrivals
from naiad.scheduling.adaptive.rule import LEAST_RUN_S, LOOKED_AT, AdaptiveRule, decide_adaptive
from naiad.scheduling.adaptive.service import ServiceTimes
from naiad.scheduling.contract import Execution
from naiad.scheduling.decision import ALONE, Decision, Situation
from naiad.scheduling.dynamic import DynamicRule, decide_dynamic

LEAST_S = 0.005
"""Between two runs that are learned from; of shorter ones, learning from each would cost more than it gives."""

ROWS_RATE = 0.05
"""Share of the rows of a request that the last run makes up."""

USEFUL = 0.75
"""Share of a run after which a request that comes is of no use any more to those that wait."""


class AdaptiveBatching:
    """A Policy, and the Learner of what it needs to know."""

    def __init__(self, max_batch_size: int) -> None:
        self._limits = DynamicRule(max_batch_size)
        self._arrivals = Arrivals()
        self.times = ServiceTimes(max_batch_size)
        self._rows = 1.0
        """Of a request, a moving mean."""
        self._learned_s = float("-inf")
        self.rule = AdaptiveRule(self._limits)
        self.note = self._arrivals.note
        """See `Learner.note`."""
        self._is_quick = True
        """Runs are over before it is worth asking."""

    def __call__(self, situation: Situation) -> Decision:
        """See `decide_adaptive`."""
        if self._is_quick:
            return ALONE if len(situation.waiting) == 1 else decide_dynamic(situation, self._limits)
        return decide_adaptive(situation, self.rule, self._arrivals.outlook(LOOKED_AT))

    def ran(self, execution: Execution) -> None:
        """See `Learner.ran`; learns nothing where any of the requests failed."""
        now, requests = execution.finished_s, len(execution.jobs)
        if now - self._learned_s < LEAST_S or execution.successes < requests or not requests:
            return
        self._learned_s = now
        run_s = now - execution.started_s
        self._rows += (execution.size / requests - self._rows) * ROWS_RATE
        self.times.learn(execution.size, run_s)
        self._arrivals.useful_s = run_s * USEFUL
        self._is_quick = self.times.largest_s < LEAST_RUN_S
        if not self._is_quick:  # else nobody asks, and a table takes as long as a quick run
            self.rule = AdaptiveRule(self._limits, self.times.table(), self._rows)
