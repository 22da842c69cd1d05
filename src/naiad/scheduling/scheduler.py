"""Waiting jobs on one side, instances on the other: asks the policy, starts batches, hands results back.

One owner: everything here runs on the event loop's thread. The queue knows the order, the policy what to join, the
runner how to cross into a thread; this file only brings them together.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import Cancelled, DeadlineExceeded, NaiadError, NotReady, Overloaded
from naiad.scheduling.decision import Policy, Situation, WaitUntil
from naiad.scheduling.queue import Execution, Job, JobQueue
from naiad.scheduling.runner import Runner

_log = logging.getLogger("naiad.scheduling")

LINGER_S = 100e-6
"""After a batch that ran on the loop, the loop looks for the next request this long before it sleeps. Waking up costs
more than a cheap model: a lone client of `simple` on a virtual machine got 12,500 answers/s instead of 8,300."""

LINGER_LOOKS = 100
"""Turns of the loop at most, whatever the clock says."""

LONE_JOBS = 3
"""After so many jobs that came alone, the next lone one gets all cores; between two clients it would only be in the way
of the other's job."""

WINDOW = 64
"""How many waiting jobs a policy gets to see."""


class Scheduler:
    """Schedules the jobs of one model version."""

    def __init__(
        self,
        runners: Sequence[Runner],
        policy: Policy,
        queue: JobQueue | None = None,
        *,
        wide: Runner | None = None,
        preserves_ordering: bool = False,
        on_run: Callable[[Execution], None] | None = None,
        clock: Clock = monotonic,
    ) -> None:
        """Bring the parts together; nothing starts before the first job.

        wide: a runner that uses all cores, for jobs that come one at a time. preserves_ordering: answers leave in the
        order in which jobs came. on_run: told of every batch after it has run, before its jobs are.
        """
        self._runners = list(runners)
        self._wide = wide
        self._lone_jobs = LONE_JOBS
        """Jobs since two were last there together."""
        self._policy = policy
        self._queue = queue or JobQueue()
        self._on_run = on_run
        self._clock = clock
        self._order: deque[Job] | None = deque() if preserves_ordering else None
        self._early: dict[Job, Any] = {}
        self._running = 0
        self._is_turn_planned = False
        self._is_turning = False
        self._has_run_inline = False
        """In this turn."""
        self._linger_until_s = 0.0
        self._looks_left = 0
        self._wake_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._idle_waiters: list[asyncio.Future[None]] = []
        self._is_stopping = False

    @property
    def pending(self) -> int:
        """Jobs that wait for an instance."""
        return self._queue.length

    @property
    def is_quiet(self) -> bool:
        """Nothing waits and nothing runs."""
        return not self._queue.length and not self._running

    def submit(self, job: Job, priority: int = 0, timeout_us: int = 0) -> None:
        """Queue a job; `job.done` is called once, later. Raises Overloaded, or NotReady while stopping."""
        if self._is_stopping:
            raise NotReady("Server is stopping, scheduler for model has stopped accepting new inference requests")
        self._queue.add(job, self._clock(), priority, timeout_us)
        if self._order is not None:
            self._order.append(job)
        self._plan_turn()

    def submit_all(self, jobs: Sequence[Job], priority: int = 0, timeout_us: int = 0) -> None:
        """Queue jobs that belong together, so that they can share a batch; all of them or, raising Overloaded, none."""
        if self._is_stopping:
            raise NotReady("Server is stopping, scheduler for model has stopped accepting new inference requests")
        now = self._clock()
        for number, job in enumerate(jobs):
            try:
                self._queue.add(job, now, priority, timeout_us)
            except Overloaded:
                self._queue.take(jobs[:number])
                raise
        if self._order is not None:
            self._order.extend(jobs)
        self._plan_turn()

    def cancel(self, job: Job) -> bool:
        """Take a waiting job out and answer it with Cancelled; False when it already runs or is done."""
        if not self._queue.remove(job):
            return False
        self._deliver(job, Cancelled("the request was cancelled"))
        self._tell_waiters()
        return True

    def turn(self) -> None:
        """Start whatever can start now. Called by itself after submit; tests with a manual clock call it."""
        self._is_turn_planned = False
        self._is_turning = True
        self._wake_s = None
        try:
            self._expire()
            while self._queue.length:
                runner = self._next_runner()
                if not (self._start(runner) if runner is not None else self._start_ahead()):
                    break
        finally:
            self._is_turning = False
        if self._has_run_inline:
            self._has_run_inline = False
            self._linger()
        self._set_timer()
        self._tell_waiters()

    async def drain(self) -> None:
        """Take no more jobs; return when nothing waits and nothing runs."""
        self._is_stopping = True
        await self.quiet()

    async def quiet(self) -> None:
        """Return when nothing waits and nothing runs."""
        if not self.is_quiet:
            waiter = asyncio.get_running_loop().create_future()
            self._idle_waiters.append(waiter)
            await waiter

    def close(self) -> None:
        """Answer what still waits with NotReady and release the instances; blocks until running batches are done."""
        self._is_stopping = True
        if self._timer is not None:
            self._timer.cancel()
        for job in self._queue.front(self._queue.length):
            self._queue.remove(job)
            self._deliver(job, NotReady("the model is being unloaded"))
        for runner in self._runners if self._wide is None else [*self._runners, self._wide]:
            runner.close()

    def _plan_turn(self) -> None:
        # One turn for all jobs that arrive in this turn of the loop: that is what lets them share a batch.
        if not self._is_turn_planned and not self._is_turning:
            self._is_turn_planned = True
            asyncio.get_running_loop().call_soon(self.turn)

    def _linger(self) -> None:
        """Keep the loop awake for a moment; each turn of it looks for what has arrived."""
        self._linger_until_s = self._clock() + LINGER_S
        is_lingering = self._looks_left > 0
        self._looks_left = LINGER_LOOKS
        if not is_lingering:
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._looks_left -= 1
        if self._clock() >= self._linger_until_s or self._is_stopping:
            self._looks_left = 0
        if self._looks_left:
            asyncio.get_running_loop().call_soon(self._look)

    def _next_runner(self) -> Runner | None:
        is_lone = self._queue.length == 1 and not self._running
        self._lone_jobs = self._lone_jobs + 1 if is_lone else 0
        if self._wide is not None and self._lone_jobs > LONE_JOBS:
            return self._wide
        for runner in self._runners:
            if runner.is_idle:
                return runner
        return None

    def _start(self, runner: Runner) -> bool:
        """Start one batch on a runner; False when the policy wants to wait."""
        now = self._clock()
        waiting = self._queue.front(WINDOW)
        idle = sum(1 for other in self._runners if other.is_idle)
        decision = self._policy(Situation(waiting, now, idle))
        if isinstance(decision, WaitUntil):
            self._wake_s = decision.time_s
            return False
        self._run(runner, waiting, decision.picks, now)
        return True

    def _start_ahead(self) -> bool:
        """Give a busy instance its next batch, if what waits is more than that batch; False when nothing was given."""
        runner = next((runner for runner in self._runners if runner.can_take_ahead), None)
        if runner is None:
            return False
        now = self._clock()
        waiting = self._queue.front(WINDOW)
        decision = self._policy(Situation(waiting, now, 1))
        if isinstance(decision, WaitUntil) or len(decision.picks) == len(waiting):
            return False  # others may still join this batch
        self._run(runner, waiting, decision.picks, now)
        return True

    def _run(self, runner: Runner, waiting: Sequence[Job], picks: Sequence[int], now: float) -> None:
        jobs = [waiting[index] for index in picks]
        self._queue.take(jobs)
        run = Execution(jobs, now)
        for job in jobs:
            job.execution = run
        self._running += 1
        self._has_run_inline |= runner.runs_inline
        runner.start(run, self._finished)

    def _finished(self, runner: Runner, run: Execution, results: Sequence[Any]) -> None:
        del runner
        self._running -= 1
        run.successes = sum(1 for result in results if not isinstance(result, NaiadError))
        if self._on_run is not None:
            self._on_run(run)
        if self._queue.length:
            self._plan_turn()
        jobs, run.jobs = run.jobs, ()  # or they would keep each other, and their tensors, until garbage is collected
        for job, result in zip(jobs, results, strict=True):
            self._deliver(job, result)
        self._tell_waiters()

    def _deliver(self, job: Job, result: Any) -> None:
        if self._order is None:
            _tell(job, result)
            return
        self._early[job] = result
        while self._order and self._order[0] in self._early:
            first = self._order.popleft()
            _tell(first, self._early.pop(first))

    def _expire(self) -> None:
        if self._queue.next_deadline_s is not None:
            for job in self._queue.expire(self._clock()):
                self._deliver(job, DeadlineExceeded("Request timeout expired"))

    def _set_timer(self) -> None:
        """Wake for the nearest of the policy's wish and the queue's deadlines."""
        wake_s = self._wake_s
        deadline_s = self._queue.next_deadline_s
        if deadline_s is not None and (wake_s is None or deadline_s < wake_s):
            wake_s = deadline_s
        if wake_s is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        delay_s = max(0.0, wake_s - self._clock())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self.turn)

    def _tell_waiters(self) -> None:
        if self._idle_waiters and self.is_quiet:
            for waiter in self._idle_waiters:
                if not waiter.done():
                    waiter.set_result(None)
            self._idle_waiters.clear()


def _tell(job: Job, result: Any) -> None:
    """Tell a job's owner; a mistake of the owner's is no business of the jobs in the same batch."""
    try:
        job.done(job, result, True)
    except Exception:  # noqa: BLE001 — see above
        _log.exception("a result could not be delivered")
