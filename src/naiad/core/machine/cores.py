"""How many processor cores there are to use, and how much of what runs on them makes sense."""

from __future__ import annotations

import os

LEAST_INSTANCES, INSTANCES_PER_CORE = 128, 32
"""Each has a thread; beyond some for each core, more only wait for one another."""

LEAST_THREADS, THREADS_PER_CORE = 64, 4


def available_cores() -> int:
    """Cores that this process may use (containers and taskset limit them)."""
    return len(os.sched_getaffinity(0))


def most_instances() -> int:
    """The most instances that one model version may have."""
    return max(LEAST_INSTANCES, INSTANCES_PER_CORE * available_cores())


def most_threads() -> int:
    """The most threads that one run of a model may use."""
    return max(LEAST_THREADS, THREADS_PER_CORE * available_cores())
