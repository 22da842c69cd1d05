"""Time, as a thing that can be handed in; tests hand in `naiad.testing.ManualClock`."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds as float from a monotonic clock; the only unit of time inside Naiad."""

monotonic: Clock = time.perf_counter
"""perf_counter rather than monotonic: same clock on Linux, finer steps elsewhere."""
