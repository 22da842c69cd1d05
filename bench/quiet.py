"""Tells how much of the machine other processes took while something was measured; a busy machine makes bad figures."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path


class Witness:
    """Watches the machine from when it is made until `others_share` is asked for."""

    def __init__(self, own_s: Callable[[], float]) -> None:
        """own_s: processor seconds so far of the server under test; children that have ended are counted here."""
        self._own_s = lambda: own_s() + _ended_children_s()
        self._begun_s = time.perf_counter()
        self._own_before_s = self._own_s()
        self._busy_before_s = _busy_s()

    def others_share(self) -> float:
        """Part of all cores' time, 0 to 1, that went to processes which are not ours."""
        busy = _busy_s() - self._busy_before_s
        own = self._own_s() - self._own_before_s
        cores = os.cpu_count() or 1
        return max(0.0, (busy - own) / cores / (time.perf_counter() - self._begun_s))


def _busy_s() -> float:
    """Processor seconds since boot that were not idle, all cores together; stolen time counts as busy."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _ended_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
