"""How much memory this process has."""

from __future__ import annotations

import os
import resource
from pathlib import Path


def resident_bytes() -> int:
    """What this process has in memory now; where the system does not say, what it had at most."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
