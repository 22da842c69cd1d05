"""How many processor cores there are to use."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Cores that this process may use (containers and taskset limit them)."""
    return len(os.sched_getaffinity(0))
