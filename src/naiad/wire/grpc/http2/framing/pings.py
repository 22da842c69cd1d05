"""How often a client may ask by PING whether we are there: gRPC's keepalive rules (its proposals A8 and A9).

Nothing here about the cost of PING frames (`floods.py`), nor about those that we send (`lifetime.py`).
"""

from __future__ import annotations

import math

from naiad.core.clock import Clock
from naiad.wire.grpc.http2.framing.codes import ConnectionFault, ErrorCode
from naiad.wire.grpc.http2.framing.settings import Http2Limits

_WITHOUT_CALLS_S = 7200.0
"""Between two PINGs of a client without calls, unless that is allowed."""

_TOO_MANY = "too_many_pings"
"""gRPC clients look for this word in GOAWAY and ask less often from then on."""


class PingPolicy:
    """The PINGs of one client."""

    def __init__(self, limits: Http2Limits, now: Clock) -> None:
        self._limits = limits
        self._now = now
        self._last_s = -math.inf
        self._last_uses = 0
        self._strikes = 0

    def take(self, uses: int, running: int) -> None:
        """Count a PING; uses: data frames so far, running: streams. Raises ConnectionFault after too many strikes."""
        now_s = self._now()
        limits = self._limits
        if uses != self._last_uses:
            self._last_uses = uses
            self._strikes = 0
        else:
            may_ask = running or limits.permits_pings_without_streams
            interval_s = limits.ping_interval_s if may_ask else _WITHOUT_CALLS_S
            if now_s < self._last_s + interval_s:
                self._strikes += 1
        self._last_s = now_s
        if limits.ping_strikes and self._strikes > limits.ping_strikes:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, _TOO_MANY)
