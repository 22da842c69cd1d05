"""What a scheduler has decided so far, for whoever asks why batches have the size they have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from naiad.scheduling.decision import Waiting


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts since the model was loaded."""

    instances: int
    """Batches that may run at the same time."""
    runs_inline: bool
    """Runs are so short that they stay on the event loop."""
    waits: int
    """Batches that waited for company although an instance was idle."""
    waited_s: float
    """How long all of these waited."""
    splits: int
    """Batches that ended where the next request had another shape."""


@runtime_checkable
class Tallied(Protocol):
    """A scheduler that counts what it decides."""

    @property
    def tally(self) -> Tally:
        """What it has decided so far."""
        ...


def tally_of(scheduler: object) -> Callable[[], Tally] | None:
    """How to ask a scheduler; None: it does not count."""
    return (lambda: scheduler.tally) if isinstance(scheduler, Tallied) else None


class Counting:
    """The counts as they grow."""

    __slots__ = ("_began_s", "is_waiting", "splits", "waited_s", "waits")

    def __init__(self) -> None:
        self.waits = self.splits = 0
        self.waited_s = self._began_s = 0.0
        self.is_waiting = False

    def wait(self, now: float) -> None:
        """Note that a batch waits."""
        if not self.is_waiting:
            self.is_waiting, self._began_s = True, now

    def end_wait(self, now: float) -> None:
        """Note that it runs."""
        self.is_waiting = False
        self.waits += 1
        self.waited_s += now - self._began_s

    def left(self, waiting: Sequence[Waiting], taken: Sequence[int]) -> None:
        """Note that some were left behind."""
        if len(taken) == taken[-1] + 1 and waiting[len(taken)].shape_key != waiting[0].shape_key:
            self.splits += 1
