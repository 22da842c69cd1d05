"""What the whole machine uses of its processors and memory, from /proc; zeros where there is no /proc."""

from __future__ import annotations

import os
from pathlib import Path


class CpuMeter:
    """Machine-wide processor and memory use."""

    def __init__(self) -> None:
        self._busy, self._all = self._times()

    def read(self) -> tuple[float, float, float]:
        """(utilisation since the last call 0..1, total bytes, used bytes)."""
        busy, everything = self._times()
        spent, passed = busy - self._busy, everything - self._all
        self._busy, self._all = busy, everything
        total, available = self._memory()
        return (spent / passed if passed else 0.0), total, total - available

    @staticmethod
    def _times() -> tuple[float, float]:
        try:
            fields = [float(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        except OSError:
            return 0.0, 0.0
        idle = fields[3] + fields[4]
        return sum(fields) - idle, sum(fields)

    @staticmethod
    def _memory() -> tuple[float, float]:
        page = os.sysconf("SC_PAGE_SIZE")
        total = float(page * os.sysconf("SC_PHYS_PAGES"))
        try:
            lines = Path("/proc/meminfo").read_text().splitlines()
        except OSError:
            return total, total
        values = {line.split(":")[0]: float(line.split()[1]) * 1024 for line in lines}
        return total, values.get("MemAvailable", total)
