"""Public helpers for tests: a server, an engine, fake instances, a clock that stands still, a local Hub, a checkpoint.

Names are imported on first use, so that a test that wants the clock does not load the server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from naiad.testing.checkpoints import tiny_checkpoint
    from naiad.testing.fakes import FakeInstance, FakeStream, engine
    from naiad.testing.local_hub import LocalHub
    from naiad.testing.manual_clock import ManualClock
    from naiad.testing.server import RunningServer, running_server

__all__ = [
    "FakeInstance",
    "FakeStream",
    "LocalHub",
    "ManualClock",
    "RunningServer",
    "engine",
    "running_server",
    "tiny_checkpoint",
]

_HOMES = {
    "FakeInstance": "fakes",
    "FakeStream": "fakes",
    "LocalHub": "local_hub",
    "ManualClock": "manual_clock",
    "RunningServer": "server",
    "engine": "fakes",
    "running_server": "server",
    "tiny_checkpoint": "checkpoints",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'naiad.testing' has no attribute '{name}'")
    return getattr(import_module(f"naiad.testing.{_HOMES[name]}"), name)
