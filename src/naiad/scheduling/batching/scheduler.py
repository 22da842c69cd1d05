"""Waiting jobs on one side, instances on the other: asks the policy, starts batches, hands results back.

One owner: everything here runs on the event loop's thread. The queue knows the order, the policy what to join, `slots`
where to run it, the runner how to get there; this file has the turns in which they are brought together, and the timer.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import Cancelled, DeadlineExceeded, NaiadError, NotReady, Overloaded
from naiad.scheduling.batching.lingering import Lingering
from naiad.scheduling.batching.ordering import Ordering, tell, tell_all
from naiad.scheduling.batching.slots import LONE_JOBS, Slot, choose_ahead, choose_slot, claim_slot, waive
from naiad.scheduling.batching.tally import Counting, Tally
from naiad.scheduling.contract import Execution, Job, Learner, LimitedRunner, OnRun, Queue, Runner, stopping
from naiad.scheduling.decision import Decision, Policy, Situation, WaitUntil, decide_last
from naiad.scheduling.home import Home
from naiad.scheduling.queue import JobQueue
from naiad.scheduling.quieting import Quieting

WINDOW = 64
"""How many waiting jobs a policy gets to see, unless its batches may hold more."""


class BatchScheduler:
    """Joins the jobs of one model version into batches."""

    def __init__(
        self,
        runners: Sequence[Runner],
        policy: Policy,
        queue: Queue | None = None,
        *,
        wide: Runner | None = None,
        window: int = WINDOW,
        runs_ahead: bool = True,
        preserves_ordering: bool = False,
        prefers_wide: Callable[[int], bool] | None = None,
        on_run: OnRun | None = None,
        learner: Learner | None = None,
        clock: Clock = monotonic,
    ) -> None:
        """Bring the parts together; nothing starts before the first job.

        wide: a runner that uses all cores, for jobs that come one at a time. window: waiting jobs that the policy gets
        to see. runs_ahead: a busy instance may get its
        next batch before it is free, if the queue allows that, too. preserves_ordering: answers leave in the order in
        which jobs came. prefers_wide: whether a lone job of that size ends sooner on all cores; None: always. learner:
        told of jobs and executions, but not while they run inline.
        """
        self._slots = [Slot(runner) for runner in runners]
        self._wide = None if wide is None else Slot(wide)
        self._prefers_wide = prefers_wide
        self._policy = policy
        self._queue: Queue = queue or JobQueue()
        self._window = window
        self._runs_ahead = runs_ahead and self._queue.may_run_ahead
        self._on_run = on_run
        self._learner = learner
        self._clock = clock
        self._ordering = Ordering() if preserves_ordering else None
        self._tell = tell if self._ordering is None else self._ordering.tell
        self._tell_all = tell_all if self._ordering is None else self._ordering.tell_all
        self._lingering = Lingering(clock)
        self._home = Home()
        self._running = 0
        """Executions started and not finished, wide ones included."""
        self._under_way = 0
        """Jobs of these."""
        self._idle = sum(slot.capacity for slot in self._slots)
        """Executions that could start right now, wide ones apart."""
        self._aheads: dict[Slot, Execution] = {}
        """What busy instances were given to go on with, and may not have begun yet; in the order in which it was."""
        self._lone_jobs = LONE_JOBS
        """Jobs since two were last there together."""
        self._situation = Situation((), 0.0, 0, self._slots)
        self._counting = Counting()
        self._is_turn_due = False
        """One is planned or under way: whatever comes now will be looked at."""
        self._wake_s = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._quieting = Quieting()
        self._is_bound = False
        """The policy says which instance runs a batch, so no other may."""
        self._is_stopping = False
        self._is_limited = False
        """Slots ask elsewhere before each execution."""

    @property
    def pending(self) -> int:
        """Jobs that wait for an instance."""
        return self._queue.length

    @property
    def in_hand(self) -> int:
        """Jobs that instances have been given and have not answered."""
        return self._under_way

    @property
    def tally(self) -> Tally:
        """What has been decided so far."""
        slots, counting = self._slots, self._counting
        capacity = sum(slot.capacity for slot in slots)
        return Tally(
            capacity, bool(slots) and slots[0].runner.runs_inline, counting.waits, counting.waited_s, counting.splits
        )

    def pending_by_level(self) -> Mapping[int, int]:
        """Jobs that wait for an instance, by priority level, of those in which somebody does."""
        return self._queue.by_level()

    def submit(self, job: Job, priority: int = 0, timeout_us: int = 0) -> None:
        """See `Scheduler.submit`."""
        if self._is_stopping:
            raise stopping()
        self._queue.add(job, self._clock(), priority, timeout_us)
        if self._ordering is not None:
            self._ordering.expect((job,))
        if not self._is_turn_due:  # as `_plan_turn`, which every request would pass through
            self._is_turn_due = True
            loop = self._home.loop = asyncio.get_running_loop()
            loop.call_soon(self.turn)

    def submit_all(self, jobs: Sequence[Job], priority: int = 0, timeout_us: int = 0) -> None:
        """See `Scheduler.submit_all`."""
        if self._is_stopping:
            raise stopping()
        now = self._clock()
        for number, job in enumerate(jobs):
            try:
                self._queue.add(job, now, priority, timeout_us)
            except Overloaded:
                for queued in jobs[:number]:
                    self._queue.remove(queued)
                raise
        if self._ordering is not None:
            self._ordering.expect(jobs)
        if not self._is_turn_due:
            self._plan_turn()

    def cancel(self, job: Job) -> bool:
        """See `Scheduler.cancel`."""
        if not self._queue.remove(job) and not self._recall(job):
            if job.execution is not None:
                job.execution.withdraw(job)
            return False
        self._tell(job, Cancelled("the request was cancelled"), True)
        if self._queue.length and not self._is_turn_due:
            self._plan_turn()  # those that stood beside or behind it may run now
        self._wake_waiters()
        return True

    def turn(self) -> None:
        """Start whatever can start now. Called by itself after submit; tests with a manual clock call it."""
        queue, has_run_inline = self._queue, False
        if self._learner is not None and not self._slots[0].runner.runs_inline:
            self._learner.note(queue.length + self._under_way, self._clock())
        self._is_turn_due = True
        self._wake_s = math.inf
        try:
            if queue.has_time_limits:
                self._expire()
            if self._aheads and self._idle and not self._is_bound:
                self._take_over()
            while queue.length and (decided := self._decide()) is not None:
                slot, jobs = decided
                queue.take(jobs)
                self._running += 1
                self._under_way += len(jobs)
                execution = Execution(jobs, slot)
                if slot.in_hand >= slot.capacity:
                    self._aheads[slot] = execution
                elif slot is not self._wide:
                    self._idle -= 1
                slot.in_hand += 1
                has_run_inline = has_run_inline or slot.runner.runs_inline
                execution.beside, execution.is_wide = self._running - 1, slot is self._wide
                slot.runner.start(execution, self)
        finally:
            self._is_turn_due = False
        if has_run_inline:
            self._lingering.begin()
        if queue.length or self._is_limited:
            self._wait()
        if self._quieting.waiters:
            self._wake_waiters()

    async def drain(self) -> None:
        """See `Scheduler.drain`; nobody waits for company that will not come."""
        if not self._is_stopping:
            self._is_stopping = True
            self._policy = partial(decide_last, policy=self._policy)
            self._wake_up()
        await self.quiet()

    async def quiet(self) -> None:
        """See `Scheduler.quiet`."""
        if self._queue.length or self._running:
            await self._quieting.wait()

    def limit(self, wraps: Sequence[Callable[[Runner], LimitedRunner]]) -> None:
        """See `Scheduler.limit`."""
        for slot, wrap in zip(self._slots, wraps, strict=True):
            slot.limit(wrap)
        self._is_limited = True
        self._policy = partial(self._decide_limited, self._policy)
        if self._wide is not None:
            self._wide.runner.close()
            self._wide = None

    def close(self) -> None:
        """See `Scheduler.close`."""
        self._home.call(self._end)
        for slot in self._slots if self._wide is None else [*self._slots, self._wide]:
            slot.runner.close()

    def _end(self) -> None:
        """Start nothing more, and answer what waits."""
        self._is_stopping = True
        self._lingering.stop()
        if self._timer is not None:
            self._timer.cancel()
        for job in self._queue.front(self._queue.length):
            self._queue.remove(job)
            self._tell(job, NotReady("the model is being unloaded"), True)

    def sent(self, execution: Execution, index: int, result: Any, is_final: bool) -> None:
        """See `Listener.sent`."""
        if is_final and not isinstance(result, NaiadError):
            execution.successes += 1
        self._tell(execution.jobs[index], result, is_final)

    def returned(self, execution: Execution) -> None:
        """See `Listener.returned`."""
        execution.has_returned = True
        self._free(execution.slot, self._clock())
        if self._queue.length and not self._is_turn_due:
            self._plan_turn()

    def finished(self, execution: Execution, results: Sequence[Any]) -> None:
        """See `Listener.finished`."""
        self._running -= 1
        self._under_way -= len(execution.jobs)
        slot: Slot = execution.slot
        if not execution.has_returned:  # as `_free`, which every request would pass through
            slot.in_hand -= 1
            self._aheads.pop(slot, None)
            if slot is not self._wide and slot.in_hand < slot.capacity:
                self._idle += 1
                self._situation.free_s = execution.finished_s
        for result in results:
            if not isinstance(result, NaiadError):
                execution.successes += 1
        if self._on_run is not None:
            execution.beside = (execution.beside + self._running) / 2
            self._on_run(execution)
        if self._learner is not None and not slot.runner.runs_inline:
            self._learner.ran(execution)
            self._learner.note(self._queue.length + self._under_way, self._clock())
        if (self._queue.length or self._aheads) and not self._is_turn_due:
            self._plan_turn()
        # Or execution and jobs would keep each other, and their tensors, until garbage is collected.
        jobs, execution.jobs, execution.withdrawn = execution.jobs, (), frozenset()
        if results:
            self._tell_all(jobs, results)
        if self._quieting.waiters:
            self._wake_waiters()

    def _free(self, slot: Slot, now: float) -> None:
        """Note that an instance has one execution less in hand."""
        slot.in_hand -= 1
        if self._aheads:
            self._aheads.pop(slot, None)  # it is what the instance goes on with
        if slot is not self._wide and slot.in_hand < slot.capacity:
            self._idle += 1
            self._situation.free_s = now

    def _recall(self, job: Job) -> bool:
        """Take a job out of a batch that waits for its instance; the others of the batch go on waiting there."""
        execution = job.execution
        if execution is None or not execution.slot.runner.recall(execution):
            return False
        job.execution = None
        slot: Slot = execution.slot
        self._aheads.pop(slot, None)
        others = [other for other in execution.jobs if other is not job]
        if others:
            smaller = Execution(others, slot)
            smaller.beside, smaller.is_wide = execution.beside, execution.is_wide
            if slot.in_hand > slot.capacity:
                self._aheads[slot] = smaller
            slot.runner.start(smaller, self)
            self._under_way -= 1
            return True
        self._running -= 1
        self._under_way -= 1
        slot.in_hand -= 1
        if slot is not self._wide and slot.in_hand < slot.capacity:
            self._idle += 1
        if self._queue.length and not self._is_turn_due:
            self._plan_turn()
        return True

    def _expire(self) -> None:
        for job in self._queue.expire(self._clock()):
            self._tell(job, DeadlineExceeded("Request timeout expired"), True)

    def _take_over(self) -> None:
        """Let idle instances run what others were given ahead and have not begun: nothing waits beside an idle one."""
        for busy, execution in tuple(self._aheads.items()):
            free = choose_slot(self._slots, None, 0)
            if free is None:
                return
            if self._aheads.get(busy) is not execution:  # what has just run inline may have led to its withdrawal
                continue
            del self._aheads[busy]
            if busy.runner.recall(execution):
                busy.in_hand -= 1
                free.in_hand += 1
                self._idle -= 1
                execution.slot = free
                free.runner.start(execution, self)

    def _plan_turn(self) -> None:
        # One turn for all jobs that arrive in this turn of the loop: that is what lets them share a batch.
        self._is_turn_due = True
        loop = self._home.loop = asyncio.get_running_loop()
        loop.call_soon(self.turn)

    def _decide_limited(self, policy: Policy, situation: Situation) -> Decision:
        """Ask the policy, and hold no leave while it would rather wait."""
        decision = policy(situation)
        if isinstance(decision, WaitUntil):
            waive(self._slots)
        return decision

    def _wake_up(self) -> None:
        if not self._is_turn_due:
            self._plan_turn()

    def _decide(self) -> tuple[Slot, list[Job]] | None:
        """Choose what to run next, and where; None when no instance takes a batch, or the policy would rather wait."""
        queue = self._queue
        self._lone_jobs = self._lone_jobs + 1 if queue.length == 1 and not self._running else 0
        wide, prefers_wide = self._wide, self._prefers_wide
        if prefers_wide is not None and self._lone_jobs > LONE_JOBS and not prefers_wide(queue.front(1)[0].size):
            wide = None
        slot = choose_slot(self._slots, wide, self._lone_jobs)
        is_ahead = slot is None
        if slot is None:
            slot = choose_ahead(self._slots) if self._runs_ahead else None
            if slot is None:
                return None
        waiting = queue.front(self._window)
        situation = self._situation
        situation.waiting, situation.now, situation.idle = waiting, self._clock(), 1 if is_ahead else self._idle
        decision = self._policy(situation)
        situation.waiting = ()  # or what was in it would live until the next question
        if isinstance(decision, WaitUntil):
            if not is_ahead:
                self._wake_s = decision.time_s
                self._counting.wait(situation.now)
            return None
        if self._counting.is_waiting and not is_ahead:
            self._counting.end_wait(situation.now)
        if len(decision.picks) < len(waiting):
            self._counting.left(waiting, decision.picks)
        elif is_ahead:
            return None  # others may still join this batch
        if decision.instance is not None or self._is_limited:
            slot = self._place(decision.instance)
        return None if slot is None else (slot, list(map(waiting.__getitem__, decision.picks)))

    def _place(self, instance: int | None) -> Slot | None:
        """Give the slot of the instance that the policy names, or any that has leave; None: it must wait for leave."""
        if instance is not None:
            self._is_bound = True
        slots = self._slots if instance is None else [self._slots[instance]]
        return claim_slot(slots, self._wake_up) if self._is_limited else slots[0]

    def _wait(self) -> None:
        """Wake for the nearest of the policy's wish and the queue's deadlines; while nothing waits, hold no leave."""
        if not self._queue.length:
            waive(self._slots)
            return
        wake_s = self._wake_s
        deadline_s = self._queue.next_deadline_s
        if deadline_s is not None and deadline_s < wake_s:
            wake_s = deadline_s
        if wake_s == math.inf:
            return
        if self._timer is not None:
            self._timer.cancel()
        delay_s = max(0.0, wake_s - self._clock())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self.turn)

    def _wake_waiters(self) -> None:
        if not self._queue.length and not self._running:
            self._quieting.wake()
