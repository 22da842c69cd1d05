"""Frames that cost us more than their sender: how many of each a connection may send.

Each kind has a budget: so many at once, refilled by time and by useful work. A busy client sends thousands of PING and
WINDOW_UPDATE frames a second, so time alone would be no measure; a client that only sends them soon has no budget left
and the connection ends with ENHANCE_YOUR_CALM (RFC 9113, section 10.5).
"""

from __future__ import annotations

from dataclasses import dataclass

from naiad.core.clock import Clock
from naiad.wire.grpc.http2.framing.codes import ConnectionFault, ErrorCode


@dataclass(frozen=True, slots=True)
class Budget:
    """What a connection may send of one kind of frame."""

    burst: int
    """Without any refill."""
    per_s: float
    """Refill by time."""
    per_use: float = 0.0
    """Refill by useful work: DATA with something in it, either way; for resets, a request answered to its end."""


BUDGETS = {
    "RST_STREAM": Budget(1000, per_s=100, per_use=1),  # CVE-2023-44487: opened, cancelled, opened, cancelled …
    "stream errors": Budget(1000, per_s=10, per_use=1),  # CVE-2025-8671: makes us reset what it opens
    "SETTINGS": Budget(100, per_s=1),  # CVE-2019-9515: each must be acknowledged
    "PING": Budget(1000, per_s=10, per_use=2),  # CVE-2019-9512: each must be answered
    "WINDOW_UPDATE": Budget(1000, per_s=100, per_use=4),  # tiny ones, for a frame each
    "empty DATA": Budget(100, per_s=1),  # CVE-2019-9518
    "PRIORITY or unknown": Budget(1000, per_s=10, per_use=1),
}

CONTINUATIONS = 64
"""CONTINUATION frames of one header block, empty ones included (CVE-2024-27316)."""


class Floods:
    """The budgets of one connection."""

    def __init__(self, now: Clock) -> None:
        self._now = now
        self.left = {kind: float(budget.burst) for kind, budget in BUDGETS.items()}
        self._last_s = dict.fromkeys(BUDGETS, now())
        self._last_uses = dict.fromkeys(BUDGETS, 0)

    def spend(self, kind: str, uses: int) -> None:
        """Count one frame; uses: useful work since the beginning. Raises ConnectionFault when there are too many."""
        left = self.left[kind] = self.left[kind] - 1
        if left < 0:
            self.refill(kind, uses)

    def refill(self, kind: str, uses: int) -> None:
        """Refill a budget that is used up; raises ConnectionFault when time and use have not earned enough.

        Only when nothing is left, as this looks at the clock; so a burst may be twice what it says.
        """
        budget = BUDGETS[kind]
        now_s = self._now()
        refill = (now_s - self._last_s[kind]) * budget.per_s + (uses - self._last_uses[kind]) * budget.per_use
        self._last_s[kind], self._last_uses[kind] = now_s, uses
        left = self.left[kind] = min(self.left[kind] + refill, budget.burst - 1)
        if left < 0:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, f"too many {kind} frames")
