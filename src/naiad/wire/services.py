"""What the doors can ask for: the same objects behind HTTP and gRPC, so that both answer alike."""

from __future__ import annotations

from dataclasses import dataclass, field

from naiad.core.user_code.application import ApplicationEntry
from naiad.jobs.keeper import Jobs
from naiad.observe.logs.control import LogControl
from naiad.serving.control import FixedModels, ModelControl
from naiad.serving.engine import Engine
from naiad.serving.overview import Overview
from naiad.serving.shared_memory.registry import SharedMemory
from naiad.wire.waiting import Waiting


@dataclass(frozen=True, slots=True)
class Services:
    """One set for each server."""

    engine: Engine
    overview: Overview
    logs: LogControl = field(default_factory=LogControl, kw_only=True)
    control: ModelControl = field(default_factory=FixedModels)
    jobs: Jobs | None = field(default=None, kw_only=True)
    """None: the server takes none."""
    waiting: Waiting = field(default_factory=Waiting, kw_only=True)
    application: ApplicationEntry | None = field(default=None, kw_only=True)
    """The web application that answers all URLs but the server's own."""

    @property
    def memory(self) -> SharedMemory:
        """The regions that clients have registered."""
        return self.engine.memory
