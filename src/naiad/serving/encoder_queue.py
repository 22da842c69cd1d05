"""What the views of one text model share: the encoder's instances, and the texts that wait for them.

What a text means, and to whom its result goes, is `text_model`'s business.
"""

from __future__ import annotations

from typing import Any, Protocol

from naiad.core.clock import Clock, monotonic
from naiad.core.contracts import Instances
from naiad.scheduling.contract import Execution
from naiad.scheduling.decision import Policy
from naiad.scheduling.kinds import open_batches
from naiad.scheduling.learned.batching import LearnedBatching
from naiad.scheduling.turns import TurnQueue


class CountsRuns(Protocol):
    """A model, as far as the queue knows it: the `model` of the first part of a job's owner."""

    def count_run(self, run: Execution, texts: int) -> None:
        """Count a run that had `texts` of this model's in it."""
        ...


class EncoderQueue:
    """One encoder's instances and what waits for them; shared by all views of the model."""

    def __init__(
        self,
        name: str,
        instances: Instances[Any],
        policy: Policy,
        *,
        max_waiting: int = 0,
        clock: Clock = monotonic,
    ) -> None:
        """max_waiting: most that may wait; 0 = no bound."""
        queue = TurnQueue(most=max_waiting)
        self.learned = policy if isinstance(policy, LearnedBatching) else None
        """Batching from measured times, which goes on learning from the runs here; None: by a fixed rule."""
        prefers_wide = None if self.learned is None else self.learned.prefers_wide
        self.scheduler = open_batches(
            name, instances, policy, queue, prefers_wide=prefers_wide, on_run=self._count_run, clock=clock
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

    def _count_run(self, run: Execution) -> None:
        """Credit the run to every model that had a text in it, and learn from it."""
        if self.learned is not None:
            self.learned.ran(run)
        counts: dict[CountsRuns, int] = {}
        for job in run.jobs:
            model = job.owner[0].model
            counts[model] = counts.get(model, 0) + 1
        for model, texts in counts.items():
            model.count_run(run, texts)
