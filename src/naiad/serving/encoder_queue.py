"""What the views of one text model share: the encoder's instances, and the sequences that wait for them.

What a sequence means, and to whom its result goes, is `text_model`'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from naiad.core.clock import Clock, monotonic
from naiad.core.model_config import QueuePolicy
from naiad.scheduling.decision import Policy
from naiad.scheduling.queue import Execution, JobQueue
from naiad.scheduling.runner import Runner
from naiad.scheduling.scheduler import Scheduler


class CountsRuns(Protocol):
    """A model, as far as the queue knows it: the `model` of the first part of a job's owner."""

    def count_run(self, run: Execution, sequences: int) -> None:
        """Count a run that had `sequences` of this model's in it."""
        ...


class EncoderQueue:
    """One encoder's instances and what waits for them; shared by all views of the model."""

    def __init__(
        self,
        runners: Sequence[Runner],
        policy: Policy,
        *,
        wide: Runner | None = None,
        max_sequences: int = 0,
        clock: Clock = monotonic,
    ) -> None:
        """wide: a runner with all cores, for a lone sequence. max_sequences: most that may wait; 0 = no bound."""
        self.scheduler = Scheduler(
            runners,
            policy,
            JobQueue(QueuePolicy(max_queue_size=max_sequences)),
            wide=wide,
            on_run=self._count_run,
            clock=clock,
        )
        self._users = 0

    def join(self) -> None:
        """Note one more model that uses this queue."""
        self._users += 1

    def leave(self) -> None:
        """Note one less; the last one closes the instances."""
        self._users -= 1
        if not self._users:
            self.scheduler.close()

    @staticmethod
    def _count_run(run: Execution) -> None:
        """Credit the run to every model that had a sequence in it."""
        counts: dict[CountsRuns, int] = {}
        for job in run.jobs:
            model = job.owner[0].model
            counts[model] = counts.get(model, 0) + 1
        for model, sequences in counts.items():
            model.count_run(run, sequences)
