"""Steps on one side, instances on the other: starts what may run, hands results back, in every sequence one by one.

One owner: everything here runs on the event loop's thread. `live` knows the sequences, `forming` makes batches of their
steps, `steps` knows what of an answer is the caller's; this file has the turns in which they are brought together, and
the timer.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import Cancelled, InvalidRequest, ModelFailed, NaiadError, NotReady, Overloaded, Rescheduled
from naiad.scheduling.batching.lingering import Lingering
from naiad.scheduling.batching.ordering import tell
from naiad.scheduling.contract import Execution, Job, LimitedRunner, OnRun, Runner, stopping
from naiad.scheduling.decision import WaitUntil
from naiad.scheduling.home import Home
from naiad.scheduling.quieting import Quieting
from naiad.scheduling.sequences.forming import Forming
from naiad.scheduling.sequences.iterations import Iterations
from naiad.scheduling.sequences.lane import Lane, LiveSequence
from naiad.scheduling.sequences.live import LiveSequences
from naiad.scheduling.sequences.steps import Steps

_log = logging.getLogger("naiad.scheduling")


class SequenceScheduler:
    """Runs the sequences of one model version."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        live: LiveSequences,
        forming: Forming,
        steps: Steps,
        *,
        most: int = 0,
        on_run: OnRun | None = None,
        clock: Clock = monotonic,
    ) -> None:
        """Bring the parts together; nothing starts before the first job. most: steps that may wait; 0 = no bound."""
        self._lanes = lanes
        self._live = live
        self._forming = forming
        self._steps = steps
        self._iterations = Iterations(live) if steps.is_iterative else None
        self._most = most or sys.maxsize
        self._on_run = on_run
        self._clock = clock
        self._running = 0
        """Executions started and not finished."""
        self._under_way = 0
        """Steps of these."""
        self._lingering = Lingering(clock)
        self._home = Home()
        self._quieting = Quieting()
        self._is_turn_due = False
        self._wake_s = math.inf
        self._armed_s = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._is_stopping = False

    @property
    def pending(self) -> int:
        """Steps that wait, those of sequences without a place included."""
        return self._live.length

    @property
    def in_hand(self) -> int:
        """Steps that instances have been given and have not answered."""
        return self._under_way

    def count_sequences(self) -> tuple[int, int]:
        """See `CountsSequences`."""
        return self._live.active, self._live.waiting

    def submit(self, job: Job, priority: int = 0, timeout_us: int = 0) -> None:  # noqa: ARG002 — sequences have no levels
        """See `Scheduler.submit`; raises InvalidRequest, too, for what cannot be a step of a sequence."""
        if self._is_stopping:
            raise stopping()
        if self._live.length >= self._most:
            raise Overloaded("Exceeds maximum queue size", queue_size=self._most)
        self._add(job, timeout_us)
        self._plan_turn()

    def submit_all(self, jobs: Sequence[Job], priority: int = 0, timeout_us: int = 0) -> None:  # noqa: ARG002
        """See `Scheduler.submit_all`."""
        if self._is_stopping:
            raise stopping()
        if self._live.length + len(jobs) > self._most:
            raise Overloaded("Exceeds maximum queue size", queue_size=self._most)
        for number, job in enumerate(jobs):
            try:
                self._add(job, timeout_us)
            except InvalidRequest:
                for added in jobs[:number]:
                    self._live.withdraw(added)
                raise
        self._plan_turn()

    def cancel(self, job: Job) -> bool:
        """See `Scheduler.cancel`; the steps that come after it in its sequence are cancelled with it."""
        withdrawn = self._live.withdraw(job)
        if not withdrawn:
            if job.execution is not None:
                job.execution.withdraw(job)
            return False
        self._tell_all(withdrawn, Cancelled("the request was cancelled"))
        self._plan_turn()
        self._wake_waiters()
        return True

    def turn(self) -> None:
        """Start whatever can start now. Called by itself after submit; tests with a manual clock call it."""
        has_run_inline = False
        self._is_turn_due = True
        self._wake_s = math.inf
        try:
            now = self._clock()
            if self._live.next_due_s <= now:
                for job, error in list(self._live.expire(now)):
                    tell(job, error, True)
            for lane in self._lanes:
                while lane.ready and lane.in_hand < lane.capacity:
                    formed = self._forming.form(lane, self._clock())
                    if isinstance(formed, WaitUntil):
                        self._wake_s = min(self._wake_s, formed.time_s)
                        break
                    has_run_inline = has_run_inline or lane.runner.runs_inline
                    self._running += 1
                    self._under_way += len(formed.jobs)
                    lane.in_hand += 1
                    lane.runner.start(formed, self)
        finally:
            self._is_turn_due = False
        if has_run_inline:
            self._lingering.begin()
        self._set_timer()
        self._wake_waiters()

    async def drain(self) -> None:
        """See `Scheduler.drain`; sequences without a step that waits or runs are over."""
        self._is_stopping = True
        self._live.take_no_more()
        self._plan_turn()
        await self.quiet()

    async def quiet(self) -> None:
        """See `Scheduler.quiet`."""
        if not self._is_quiet:
            await self._quieting.wait()

    def limit(self, wraps: Sequence[Callable[[Runner], LimitedRunner]]) -> None:
        """See `Scheduler.limit`; steps are chosen first, and then wait for leave."""
        for lane, wrap in zip(self._lanes, wraps, strict=True):
            lane.runner = wrap(lane.runner)

    def close(self) -> None:
        """See `Scheduler.close`."""
        self._home.call(self._end)
        for lane in self._lanes:
            lane.runner.close()

    def _end(self) -> None:
        """Start nothing more, and answer what waits."""
        self._is_stopping = True
        self._lingering.stop()
        if self._timer is not None:
            self._timer.cancel()
        self._tell_all(self._live.clear(), NotReady("the model is being unloaded"))

    def sent(self, execution: Execution, index: int, result: Any, is_final: bool) -> None:
        """See `Listener.sent`."""
        job = execution.jobs[index]
        if job.sequence is None:
            return
        if is_final and self._is_success(result):
            execution.successes += 1
        self._hand_over(execution, job, result, is_final)

    def returned(self, execution: Execution) -> None:
        """See `Listener.returned`."""
        execution.has_returned = True
        lane: Lane = execution.slot
        lane.in_hand -= 1
        self._plan_turn()

    def finished(self, execution: Execution, results: Sequence[Any]) -> None:
        """See `Listener.finished`."""
        lane: Lane = execution.slot
        self._running -= 1
        if not execution.has_returned:
            lane.in_hand -= 1
        self._under_way -= len(execution.jobs)
        jobs, execution.jobs = execution.jobs, ()  # or they would keep each other until garbage is collected
        for job, result in zip(jobs, results, strict=False):
            if job.sequence is not None and self._is_success(result):
                execution.successes += 1
        if self._on_run is not None:
            self._on_run(execution)
        for job, result in zip(jobs, results, strict=False):
            if job.sequence is not None:
                self._hand_over(execution, job, result, True)
        execution.withdrawn = frozenset()
        self._plan_turn()
        self._wake_waiters()

    def _add(self, job: Job, timeout_us: int) -> None:
        if self._iterations is not None:
            job.item = self._iterations.begin(job.item)
        step = self._steps.check(job)
        if step.is_first or not self._live.knows(step.id):
            self._steps.check_id(step.id)
        job.queued_s = now = self._clock()
        job.sequence = self._live.add(job, step, now, timeout_us, is_whole=self._steps.is_iterative)

    def _hand_over(self, execution: Execution, job: Job, result: Any, is_final: bool) -> None:
        """Tell a step's owner a result, and let the sequence go on after its last."""
        sequence: LiveSequence = job.sequence
        if sequence.running is not job:  # it was told its last result already
            return
        self._steps.take_states(job, sequence, result)
        if not is_final:
            tell(job, result, False)
            return
        if self._steps.is_iterative and isinstance(result, Rescheduled):
            self._run_again(job, sequence)
            return
        failure = execution.failure
        cut: Iterable[Job] = ()
        if failure is not None and not isinstance(failure, InvalidRequest):
            cut = self._live.fail(sequence)
            _log.error("sequence %s of model '%s' has ended: %s", sequence.id, self._steps.model, failure.message)
        was_last = job.item.sequence.is_last or self._steps.is_iterative
        self._live.end_step(sequence, self._clock(), was_last=was_last)
        self._plan_turn()
        tell(job, result, True)
        if cut:
            error = f"sequence {sequence.id} of model '{self._steps.model}' has ended, because its instance failed: "
            self._tell_all(cut, ModelFailed(f"{error}{failure.message if failure else ''}", sequence=sequence.id))

    def _is_success(self, result: Any) -> bool:
        return not isinstance(result, NaiadError) or (self._steps.is_iterative and isinstance(result, Rescheduled))

    def _run_again(self, job: Job, sequence: LiveSequence) -> None:
        """Let the request of an iterative sequence wait for its next run, unless it has been withdrawn."""
        is_withdrawn = job.execution is not None and job in job.execution.withdrawn
        if not is_withdrawn:
            job.item.sequence.is_first = False
            job.queued_s = self._clock()
            self._live.put_back(sequence, job)
        self._live.end_step(sequence, self._clock(), was_last=is_withdrawn)
        self._plan_turn()
        if is_withdrawn:
            tell(job, Cancelled("the request was cancelled"), True)

    def _tell_all(self, jobs: Iterable[Job], error: NaiadError) -> None:
        for job in jobs:
            tell(job, error, True)

    def _plan_turn(self) -> None:
        # One turn for all steps that arrive in this turn of the loop: that is what lets them share a batch.
        if not self._is_turn_due:
            self._is_turn_due = True
            loop = self._home.loop = asyncio.get_running_loop()
            loop.call_soon(self.turn)

    def _set_timer(self) -> None:
        """Wake for the nearest of the policy's wish and the sequences' times; an earlier waking does no harm."""
        wake_s = min(self._wake_s, self._live.next_due_s)
        if wake_s >= self._armed_s or wake_s == math.inf:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_s = wake_s
        self._timer = asyncio.get_running_loop().call_later(max(0.0, wake_s - self._clock()), self._wake)

    def _wake(self) -> None:
        self._timer, self._armed_s = None, math.inf
        self.turn()

    @property
    def _is_quiet(self) -> bool:
        return not self._live.length and not self._running

    def _wake_waiters(self) -> None:
        if self._is_quiet:
            self._quieting.wake()
