"""The share of the event loop that one connection gets in one turn.

A client that sends without pause shares the loop with the others: what it has sent beyond its turn is handled in later
ones, and nothing is read from it meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from naiad.core.clock import Clock

TURN_S = 0.004


class Behind(Protocol):
    """A call with messages that were not handled in their turn."""

    def go_on(self) -> None:
        """Handle them, as far as the turn lets it."""


class Turn:
    """One connection's turn. Whoever handles several things at a time looks at it after each."""

    __slots__ = ("calls", "is_behind", "now", "until_s", "wake")

    def __init__(self, now: Clock) -> None:
        self.now = now
        self.until_s = 0.0
        """When it is over."""
        self.is_behind = False
        """It was over before all that has come was handled."""
        self.calls: deque[Behind] = deque()
        """Those with messages left, in the order of these."""
        self.wake: Callable[[], object] = _nothing
        """Set by the owner; called when something is left to the next turn."""

    def begin(self) -> None:
        """Begin one in which everything that was left is handled before anything else."""
        self.until_s = self.now() + TURN_S
        self.is_behind = False

    def extend(self) -> None:
        """Give who goes on outside of it the time of a turn."""
        self.until_s = self.now() + TURN_S

    def leave(self, call: Behind | None = None) -> None:
        """Leave what has come to the next turn; call: whose messages it is."""
        if call is not None:
            self.calls.append(call)
        self.is_behind = True
        self.wake()

    def close(self) -> None:
        """Leave nothing, and refer to nobody."""
        self.calls.clear()
        self.wake = _nothing


def _nothing() -> None:
    """Stand where somebody is told."""
