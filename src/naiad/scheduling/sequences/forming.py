"""Putting a batch together for an instance that is free: whose steps it gets, each in its row if it has one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from naiad.scheduling.contract import Execution, Job
from naiad.scheduling.decision import Policy, Situation, WaitUntil
from naiad.scheduling.sequences.lane import Lane, LiveSequence
from naiad.scheduling.sequences.live import LiveSequences
from naiad.scheduling.sequences.steps import Steps


class Forming:
    """Forms the batches of one model version."""

    def __init__(
        self, live: LiveSequences, policy: Policy, steps: Steps, *, has_rows: bool = False, window: int = 1
    ) -> None:
        """has_rows: a sequence's place is its row of the batch, so that rows without a step must be filled.

        window: steps that the policy gets to see, where there are no rows.
        """
        self._live = live
        self._policy = policy
        self._steps = steps
        self._has_rows = has_rows
        self._window = window
        self._situation = Situation((), 0.0)

    def form(self, lane: Lane, now: float) -> Execution | WaitUntil:
        """Take out the steps that run next on a lane that has any, and make a batch of them, if the policy says so."""
        if self._has_rows:
            ready = sorted(lane.ready, key=lambda sequence: sequence.place)
        else:
            ready = list(islice(lane.ready, self._window))
        as_waiting, situation = self._steps.as_waiting, self._situation
        situation.waiting = [as_waiting(sequence.waiting[0], sequence) for sequence in ready]
        situation.now = now
        decision = self._policy(situation)
        situation.waiting = ()  # or what was in it would live until the next question
        if isinstance(decision, WaitUntil):
            return decision
        return self._batch(lane, list(map(ready.__getitem__, decision.picks)))

    def _batch(self, lane: Lane, chosen: Sequence[LiveSequence]) -> Execution:
        jobs = [self._live.take(sequence) for sequence in chosen]
        items = [self._steps.complete(job, sequence) for job, sequence in zip(jobs, chosen, strict=True)]
        if self._has_rows:
            jobs, items = self._in_rows(chosen, jobs, items)
        execution = Execution(jobs, lane)
        execution.items = items
        return execution

    def _in_rows(
        self, chosen: Sequence[LiveSequence], jobs: list[Job], items: list[Any]
    ) -> tuple[list[Job], list[Any]]:
        """Put every step into its sequence's row, and fill the rows between."""
        rows = {sequence.place: number for number, sequence in enumerate(chosen)}
        count = max(rows) + 1
        if len(rows) == count:
            return jobs, items
        absent = self._steps.absent(items[0])
        in_rows, given = [], []
        for row in range(count):
            number = rows.get(row)
            in_rows.append(Job(absent, 1, _nobody) if number is None else jobs[number])
            given.append(absent if number is None else items[number])
        return in_rows, given


def _nobody(job: Job, result: Any, is_final: bool) -> None:
    """Hear of a row without a step, of which nobody wants to know."""
