"""Public helpers for tests: a running server, a clock that stands still, a local Hub, a tiny checkpoint.

Names are imported on first use, so that a test that wants the clock does not load the server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from naiad.testing.checkpoints import tiny_checkpoint
    from naiad.testing.local_hub import LocalHub
    from naiad.testing.manual_clock import ManualClock
    from naiad.testing.server import RunningServer, running_server

__all__ = ["LocalHub", "ManualClock", "RunningServer", "running_server", "tiny_checkpoint"]

_HOMES = {
    "LocalHub": "local_hub",
    "ManualClock": "manual_clock",
    "RunningServer": "server",
    "running_server": "server",
    "tiny_checkpoint": "checkpoints",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'naiad.testing' has no attribute '{name}'")
    return getattr(import_module(f"naiad.testing.{_HOMES[name]}"), name)
