"""What all connections of one listener may take together."""

from __future__ import annotations

from dataclasses import dataclass, field

from naiad.serving.worker import Worker
from naiad.wire.waiting import Waiting


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bounds, and how much of them is used."""

    connections: int = 10_000
    """At the same time; further ones are answered 503."""
    waiting: Waiting = field(default_factory=Waiting, compare=False)
    """What waits in the whole server."""
    worker: Worker = field(default_factory=Worker, compare=False)
    """Puts long bodies together."""

    @property
    def crowded_message(self) -> str:
        """For a client that comes when there are too many."""
        return f"the server has reached its maximum of {self.connections} connections; try again later"
