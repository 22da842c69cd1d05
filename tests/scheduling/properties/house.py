"""A batch scheduler between a plain queue that mirrors it and instances that the test moves; and what its jobs hear."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from manual_loop import settle
from manual_runner import ManualRunner, ManualStream
from plain_queue import PlainQueue, Waiting, batch_of

from naiad.core.errors import Cancelled, DeadlineExceeded, NaiadError, NotReady, Overloaded
from naiad.core.model.config import DynamicBatching
from naiad.scheduling.batching.scheduler import BatchScheduler
from naiad.scheduling.contract import Execution, Job
from naiad.scheduling.dynamic import DynamicRule, decide_dynamic
from naiad.scheduling.queue import JobQueue
from naiad.testing import ManualClock


@dataclass(frozen=True)
class Setting:
    """One model's batching, and its instances."""

    max_batch_size: int = 4
    batching: DynamicBatching = field(default_factory=DynamicBatching)
    most: int = 100
    runs_ahead: bool = True
    instances: int = 1
    is_stream: bool = False


@dataclass
class Told:
    """What one job has heard."""

    job: Job
    results: list[Any] = field(default_factory=list)
    is_over: bool = False
    may_be: tuple[type[NaiadError], ...] = ()
    """What its last result must be; nothing: whatever the instance said."""


class House:
    """Checks, with everything that happens, that it may happen."""

    def __init__(self, setting: Setting, clock: ManualClock) -> None:
        self.setting, self.clock = setting, clock
        batching = setting.batching
        kind = ManualStream if setting.is_stream else ManualRunner
        self.runners: list[Any] = [kind(self._started) for _ in range(setting.instances)]
        queue = JobQueue(
            batching.default_queue_policy,
            batching.priority_levels,
            batching.default_priority_level,
            batching.priority_queue_policies,
            most=setting.most,
        )
        rule = DynamicRule(setting.max_batch_size, batching.preferred_batch_sizes, batching.max_queue_delay_s)
        self.scheduler = BatchScheduler(
            self.runners,
            partial(decide_dynamic, rule=rule),
            queue,
            runs_ahead=setting.runs_ahead,
            preserves_ordering=batching.preserves_ordering,
            clock=clock,
        )
        self.plain = PlainQueue(batching, setting.most)
        self.told: list[Told] = []
        """By number of the job, of those that were accepted."""
        self.ends: list[int] = []
        """Jobs in the order of their last results."""
        self._next = 0
        self._handed: set[int] = set()
        """Jobs that have left the queue for an instance."""
        self._is_stopping = False

    # what clients and instances do

    def submit(self, sizes: Sequence[int], shape_key: Hashable, priority: int, timeout_us: int) -> None:
        """One job, or several that belong together."""
        sizes = [min(size, self.setting.max_batch_size) for size in sizes]
        numbers = range(self._next, self._next + len(sizes))
        jobs = [Job(number, size, self._done, shape_key) for number, size in zip(numbers, sizes, strict=True)]
        is_welcome = not self._is_stopping and self.plain.takes(sizes, priority)
        try:
            if len(jobs) == 1:
                self.scheduler.submit(jobs[0], priority, timeout_us)
            else:
                self.scheduler.submit_all(jobs, priority, timeout_us)
        except Overloaded:
            assert not is_welcome
            assert not self._is_stopping
            return
        except NotReady:
            assert self._is_stopping
            return
        assert is_welcome
        self._next += len(jobs)
        for job in jobs:
            self.told.append(Told(job))
            self.plain.add(job.item, job.size, shape_key, self.clock(), priority, timeout_us)

    def cancel(self, number: int) -> None:
        if not self.told:
            return
        told = self.told[number % len(self.told)]
        if self.scheduler.cancel(told.job):
            assert not told.is_over or told.may_be == ()
            told.may_be = (Cancelled,)
            self.plain.remove([told.job.item])
            self._handed.discard(told.job.item)

    async def settle(self) -> None:
        """Let everything happen that does not need time, and check that nobody waits without a reason."""
        await settle()
        keeps_order = self.setting.batching.preserves_ordering
        for number in self.plain.expire(self.clock()):
            waits_for_others = keeps_order and not all(told.is_over for told in self.told[:number])
            assert self.told[number].is_over or waits_for_others, "its time is over, and it has not been told"
            self.told[number].may_be = (DeadlineExceeded,)
        self._check_idle()

    def stop(self) -> None:
        self._is_stopping = True

    def finish_all(self) -> None:
        """Let every instance end what it has, and what comes then."""
        for runner in self.runners:
            runner.close()

    # what must hold

    def _started(self, execution: Execution) -> None:
        """An instance gets a batch: the one that the plain queue says, and within all limits."""
        numbers = [job.item for job in execution.jobs]
        assert numbers
        assert len(numbers) == 1 or sum(job.size for job in execution.jobs) <= self.setting.max_batch_size
        assert len({job.shape_key for job in execution.jobs}) == 1
        if self._handed.issuperset(numbers):
            return  # taken back from an instance that had not begun it
        assert self._handed.isdisjoint(numbers)
        now = self.clock()
        for number in self.plain.expire(now):
            self.told[number].may_be = (DeadlineExceeded,)
        order = self.plain.order(now)
        count = self._batch_of(order)
        assert numbers == [one.number for one in order[:count]]
        self.plain.remove(numbers)
        self._handed.update(numbers)

    def _batch_of(self, order: Sequence[Waiting]) -> int:
        """How many of these run now; when no more come, as if every delay were over."""
        batching, now = self.setting.batching, math.inf if self._is_stopping else self.clock()
        most, delay_s = self.setting.max_batch_size, batching.max_queue_delay_s
        return batch_of(order, now, most, batching.preferred_batch_sizes, delay_s)

    def _check_idle(self) -> None:
        """No instance is idle while there is something that it may run."""
        idle = [runner for runner in self.runners if self._takes_more(runner)]
        order = self.plain.order(self.clock())
        assert not (idle and order and self._batch_of(order)), "something may run, and an instance is idle"
        if idle and not self.setting.is_stream:
            waiting = [runner for runner in self.runners if runner.running and runner.handed]
            assert not waiting, "a batch waits for a busy instance beside an idle one"

    def _takes_more(self, runner: Any) -> bool:
        return len(runner.open) < runner.capacity if self.setting.is_stream else runner.is_unused

    def _done(self, job: Job, result: Any, is_final: bool) -> None:
        told = self.told[job.item]
        assert not told.is_over, "nothing comes after the last"
        if self.setting.batching.preserves_ordering:
            assert all(earlier.is_over for earlier in self.told[: job.item]), "not before those that came earlier"
        told.results.append(result)
        if not is_final:
            return
        told.is_over = True
        self.ends.append(job.item)
        if isinstance(result, DeadlineExceeded):
            late = [one.number for one in self.plain.waiting if one.deadline_s <= self.clock()]
            assert job.item in late or told.may_be == (DeadlineExceeded,)
            told.may_be = (DeadlineExceeded,)

    def check_end(self) -> None:
        """Everybody has been answered, once, with what was its own."""
        assert self.scheduler.pending == 0
        assert sorted(self.ends) == list(range(self._next))
        for number, told in enumerate(self.told):
            last = told.results[-1]
            if told.may_be:
                assert isinstance(last, told.may_be)
            elif not isinstance(last, NaiadError):
                assert last == number
            else:
                assert not isinstance(last, Cancelled | DeadlineExceeded)
