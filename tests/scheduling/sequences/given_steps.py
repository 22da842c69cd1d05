"""Jobs that are steps of sequences, and lanes without instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from naiad.core.message import SequenceStep
from naiad.scheduling.contract import Job
from naiad.scheduling.sequences.lane import Lane
from naiad.scheduling.sequences.live import LiveSequences


@dataclass
class Item:
    """A step: its text says of which sequence, `<` that it begins it, `>` that it ends it, then which step it is."""

    text: str
    sequence: SequenceStep = field(init=False)

    def __post_init__(self) -> None:
        name = self.text.strip("<>0123456789")
        self.sequence = SequenceStep(name, "<" in self.text, ">" in self.text)


class House:
    """Sequences and the time, without anything that runs them."""

    def __init__(self, *places: int, max_idle_s: float = 10.0) -> None:
        self.lanes = [Lane(None, count) for count in places]  # type: ignore[arg-type]  # nothing is run here
        self.live = LiveSequences("m", self.lanes, max_idle_s)
        self.now = 0.0

    def add(self, *texts: str, timeout_s: float = 0.0) -> list[Job]:
        jobs = [Job(Item(text), 1, lambda *_: None) for text in texts]
        for job in jobs:
            job.sequence = self.live.add(job, job.item.sequence, self.now, int(timeout_s * 1e6))
        return jobs

    @property
    def ready(self) -> list[list[str]]:
        """By lane, the steps that could run now, in their order."""
        return [[sequence.waiting[0].item.text for sequence in lane.ready] for lane in self.lanes]

    @property
    def places(self) -> list[dict[int, Any]]:
        """By lane and place, whose they are."""
        return [{place: one.id for place, one in sorted(lane.sequences.items())} for lane in self.lanes]

    def take(self, name: str) -> Job:
        (sequence,) = (one for lane in self.lanes for one in lane.ready if one.id == name)
        return self.live.take(sequence)

    def end(self, job: Job) -> None:
        self.live.end_step(job.sequence, self.now, was_last=job.item.sequence.is_last)

    def run(self, name: str) -> str:
        """Take the next step of a sequence, and end it."""
        job = self.take(name)
        self.end(job)
        return str(job.item.text)

    def later(self, seconds: float) -> list[tuple[str, str]]:
        """Let time pass; gives what that ends, with the error's words."""
        self.now += seconds
        return [(job.item.text, error.message) for job, error in self.live.expire(self.now)]


def texts(jobs: list[Job]) -> list[str]:
    return [job.item.text for job in jobs]
