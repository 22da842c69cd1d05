"""Holding a scheduler until so many requests wait, for tests that must know what waits when it begins; as in Triton.

Source: the variables that Triton's own tests set. They hold once, at the beginning; then nothing is left of them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable

from naiad.scheduling.decision import Decision, Policy, Situation, WaitUntil

DELAY = "TRITONSERVER_DELAY_SCHEDULER"
"""How many requests must wait for an instance: in a model's queue, or in its sequences that have a place."""

BACKLOG_DELAY = "TRITONSERVER_BACKLOG_DELAY_SCHEDULER"
"""How many requests must wait in sequences that have no place yet."""


def held(policy: Policy, *counts: tuple[str, Callable[[], int]]) -> Policy:
    """Return the policy, held until as many wait as the environment says.

    counts: a variable, and what gives the number that it speaks of. Where none is set, the policy itself.
    """
    wanted = [(least, count) for variable, count in counts if (least := _least(variable))]
    return _Held(policy, lambda: all(count() >= least for least, count in wanted)) if wanted else policy


class _Held:
    def __init__(self, policy: Policy, is_ready: Callable[[], bool]) -> None:
        self._policy = policy
        self._is_ready = is_ready
        self._is_over = False

    def __call__(self, situation: Situation) -> Decision:
        self._is_over = self._is_over or self._is_ready()
        return self._policy(situation) if self._is_over else WaitUntil(math.inf)


def _least(variable: str) -> int:
    text = os.environ.get(variable, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
