"""Retries while the Hub is busy or unreachable: how often, how long, and when to stop.

The waiting time doubles from one second; what the Hub itself asks for (Retry-After, or its RateLimit header) counts
instead. All of it is bounded: whoever has a cached copy to fall back on waits ten seconds, others a minute and a half.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from naiad.core.errors import DownloadFailed

Result = TypeVar("Result")
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0


class HubUnavailable(DownloadFailed):
    """The Hub could not be reached, or still answered 429 or 5xx at the last attempt."""


class Busy(Exception):
    """Raised by the callee: this attempt failed in a way that may pass."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.retry_after_s = reason, retry_after_s


@dataclass(frozen=True, slots=True)
class Retries:
    """How long to go on, and how to wait."""

    total_s: float
    sleep: Callable[[float], None]
    note: Callable[[str], None]
    """Told about every wait."""

    def call(self, attempt: Callable[[], Result]) -> Result:
        """Call until it does not raise Busy. Raises HubUnavailable when the waits would take longer than `total_s`."""
        waited_s, wait_s = 0.0, FIRST_WAIT_S
        while True:
            try:
                return attempt()
            except Busy as busy:
                next_s = wait_s if busy.retry_after_s is None else max(busy.retry_after_s, 0.1)
                if waited_s + next_s > self.total_s:
                    asked = f" (it asks to wait {next_s:.0f} s)" if busy.retry_after_s is not None else ""
                    raise HubUnavailable(f"{busy.reason}{asked}", waited_s=waited_s) from busy
                self.note(f"{busy.reason}; trying again in {next_s:.0f} s")
                self.sleep(next_s)
                waited_s, wait_s = waited_s + next_s, min(2 * wait_s, LONGEST_WAIT_S)


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """How long a server asks to wait, in seconds; None if it does not say. Header names are lower-case here.

    RFC 9110 section 10.2.3 (seconds or a date); `RateLimit: "api";r=0;t=55` of the Hub, with r = 0.
    """
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    if value:
        try:
            return max(0.0, (parsedate_to_datetime(value) - (now or datetime.now(UTC))).total_seconds())
        except (ValueError, TypeError):
            return None
    match = re.search(r";\s*r=0\s*;\s*t=(\d+)", headers.get("ratelimit", ""))
    return float(match[1]) if match else None
