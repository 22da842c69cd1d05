"""Whether a server that has failed is asked again: a pure rule, so that an outage costs one wait and not one a request.

After a failure nobody asks for a pause, which grows while failures follow each other; then somebody tries. Only an
answer that was needed ends a row of failures: who can be reached and yet is too slow must not be tried all the time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of a server."""

    failures: int = 0
    """In a row."""
    is_open: bool = False
    """It is not asked."""
    try_s: float = 0.0
    """While open: when it should be tried."""

    def failed(self, now: float) -> Breaker:
        """Note that it did not answer; a failure of what was asked before the last one was noted changes nothing."""
        if self.is_open and now < self.try_s:
            return self
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**self.failures)
        return Breaker(min(self.failures + 1, 63), is_open=True, try_s=now + pause_s)

    def reached(self) -> Breaker:
        """Note that a try went well: it may be asked again."""
        return replace(self, is_open=False)

    def answered(self) -> Breaker:
        """Note that it gave what it was asked for."""
        return self if self.is_open or not self.failures else Breaker()
