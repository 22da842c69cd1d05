"""When to ask a silent client whether it is there, and when to end a connection: pure, by a clock handed in."""

from __future__ import annotations

import math
from enum import Enum, auto

from naiad.wire.grpc.http2.options import Http2Options

GONE_S = 1.0
"""A client that is told of the end by GOAWAY and PING is there if it is heard within so long."""


class Action(Enum):
    """What is to be done with a connection now."""

    NOTHING = auto()
    PING = auto()
    DRAIN = auto()
    TIME_OUT = auto()
    """It has not begun as it should."""
    ABORT = auto()


class Lifetime:
    """The times of one connection."""

    def __init__(self, options: Http2Options, now_s: float, spread: float) -> None:
        """spread: -1 … 1, different for each connection."""
        self.heard_s = now_s
        """When the client was last heard from; the owner keeps it."""
        self._options = options
        self._greeting_s = now_s + options.greeting_s
        self._age_s = now_s + options.age_s * (1 + spread / 10)
        self._grace_s = self._age_s + options.age_grace_s
        self._pinged_s = math.inf
        self._let_off_s = -math.inf
        """When a ping was due and not sent."""
        self._pings = 0
        """Sent since there was data."""
        self._uses = 0
        self._idle_since_s = now_s
        self._requests = 0
        self._ending_s = math.inf
        """Since when the client, which has been told of the end, has to show that it is there."""

    def end(self, now_s: float) -> None:
        """The client has been told of the end, and nothing is left to do for it but to hear that it knows."""
        self._ending_s = min(self._ending_s, now_s)

    @property
    def is_ending(self) -> bool:
        """Whether the client has yet to show that it is there."""
        return self._ending_s < math.inf

    def know(self) -> None:
        """The client knows of the end; it takes the time that it takes to read its last answers."""
        self._ending_s = math.inf

    def decide(
        self, now_s: float, is_greeted: bool, running: int, requests: int, uses: int = 0
    ) -> tuple[Action, float]:
        """Return what to do, and when to ask again.

        running: requests now; requests: all that have been begun; uses: data frames so far.
        """
        gone_s = max(self.heard_s, self._ending_s) + GONE_S
        if now_s >= gone_s:
            return Action.ABORT, math.inf
        action, next_s = self._decide(now_s, is_greeted, running, requests, uses)
        return action, min(next_s, gone_s)

    def _decide(self, now_s: float, is_greeted: bool, running: int, requests: int, uses: int) -> tuple[Action, float]:
        if not is_greeted:
            soonest_s = min(self._options.keepalive_s, self._options.idle_s, self._options.age_s)
            return (Action.TIME_OUT if now_s >= self._greeting_s else Action.NOTHING), min(
                self._greeting_s, now_s + soonest_s
            )
        if now_s >= self._grace_s:
            return Action.ABORT, math.inf
        if running or requests != self._requests:
            self._requests = requests
            self._idle_since_s = now_s
        if uses != self._uses:
            self._uses = uses
            self._pings = 0
        if now_s >= self._age_s or now_s >= self._idle_since_s + self._options.idle_s:
            return Action.DRAIN, min(self._grace_s, self._next_ping_s(now_s))
        action = self._keep_alive(now_s, running)
        age_s, idle_s = self._age_s, self._idle_since_s + self._options.idle_s
        return action, min(age_s, idle_s, self._next_ping_s(now_s))

    def _keep_alive(self, now_s: float, running: int) -> Action:
        if self._pinged_s <= self.heard_s:
            self._pinged_s = math.inf
        if now_s >= self._pinged_s + self._options.keepalive_timeout_s:
            return Action.ABORT
        if self._pinged_s < math.inf or now_s < max(self.heard_s, self._let_off_s) + self._options.keepalive_s:
            return Action.NOTHING
        if self._may_ping(running):
            self._pinged_s = now_s
            self._pings += 1
            return Action.PING
        self._let_off_s = now_s  # looked at again when it would be due the next time
        return Action.NOTHING

    def _may_ping(self, running: int) -> bool:
        options = self._options
        is_wanted = running > 0 or options.keepalive_without_calls
        return is_wanted and (not options.keepalive_pings or self._pings < options.keepalive_pings)

    def _next_ping_s(self, now_s: float) -> float:
        if self._pinged_s < math.inf:
            return self._pinged_s + self._options.keepalive_timeout_s
        return max(now_s, self.heard_s) + self._options.keepalive_s
