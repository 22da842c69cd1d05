"""How busy a server is: what load balancers are told with an answer, and what pickers of endpoints read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """One reading, of the whole server."""

    waiting: int
    """Requests that wait for an instance."""
    running: int
    """Requests that instances have in hand."""
    cpu: float
    """Share of the machine's processors in use, 0 to 1."""
    memory: float
    """Share of the machine's memory in use, 0 to 1."""
    requests_per_s: float
    """Requests that have been answered, well or not."""
    failures_per_s: float
    """Those that failed."""
