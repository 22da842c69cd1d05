"""Jobs, policy and instances brought together, on a real loop with a clock that stands still."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from naiad.core.contracts import Batch
from naiad.core.errors import Cancelled, DeadlineExceeded, ModelFailed, NotReady, Overloaded
from naiad.core.model.config import QueuePolicy
from naiad.scheduling.batching.lingering import LINGER_LOOKS, LINGER_S
from naiad.scheduling.batching.scheduler import BatchScheduler
from naiad.scheduling.batching.slots import LONE_JOBS
from naiad.scheduling.contract import Execution, Job, Listener
from naiad.scheduling.decision import Decision, Run, Situation, WaitUntil
from naiad.scheduling.dynamic import DynamicRule, decide_dynamic
from naiad.scheduling.queue import JobQueue
from naiad.scheduling.runners.thread import INLINE_AFTER_RUNS, ThreadRunner
from naiad.testing import FakeInstance, ManualClock


def echo_or_boom(item: Any) -> Any:
    if item == "boom":
        raise ValueError("broken model")
    return item


class Echo(FakeInstance):
    """Gives back what it gets; can be held, can fail."""

    def __init__(self, *, is_held: bool = False) -> None:
        super().__init__(echo_or_boom, is_held=is_held)


class Collector:
    """Counts answers and lets a test wait for them."""

    def __init__(self) -> None:
        self.answers: list[tuple[Any, Any]] = []
        self._arrived = asyncio.Event()

    def job(self, item: Any) -> Job:
        return Job(item, 1, self._done)

    def _done(self, job: Job, result: Any, is_final: bool) -> None:
        assert is_final, "plain instances answer once"
        self.answers.append((job.item, result))
        self._arrived.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.answers) < count:
                self._arrived.clear()
                await self._arrived.wait()


def scheduler(
    *instances: Echo, wide: Echo | None = None, rule: DynamicRule | None = None, **options: Any
) -> BatchScheduler:
    runners = [ThreadRunner(instance, f"i{at}") for at, instance in enumerate(instances)]
    wide_runner = ThreadRunner(wide, "wide") if wide is not None else None
    policy = partial(decide_dynamic, rule=rule or DynamicRule(8))
    return BatchScheduler(runners, policy, wide=wide_runner, **options)


async def test_jobs_of_one_turn_of_the_loop_share_a_batch() -> None:
    echo, answers = Echo(), Collector()
    subject = scheduler(echo)
    for item in range(5):
        subject.submit(answers.job(item))
    await answers.until(5)
    assert echo.batches == [[0, 1, 2, 3, 4]]
    assert answers.answers == [(item, item) for item in range(5)]
    subject.close()
    assert echo.is_closed


async def test_the_loop_is_free_while_a_batch_runs_and_the_next_grows() -> None:
    echo, answers = Echo(is_held=True), Collector()
    subject = scheduler(echo)
    subject.submit(answers.job("first"))
    await asyncio.sleep(0)
    for item in range(3):
        subject.submit(answers.job(item))
    assert subject.pending == 3
    echo.release()
    await answers.until(4)
    assert echo.batches == [["first"], [0, 1, 2]]
    subject.close()


async def test_a_lone_job_gets_the_wide_instance_and_company_the_narrow_ones() -> None:
    narrow, wide, answers = Echo(), Echo(), Collector()
    subject = scheduler(narrow, wide=wide)
    subject.submit(answers.job("lone"))
    await answers.until(1)
    for item in range(2):
        subject.submit(answers.job(item))
    await answers.until(3)
    assert wide.batches == [["lone"]]
    assert narrow.batches == [[0, 1]]
    subject.close()


async def test_a_lone_job_for_which_all_cores_are_slower_stays_on_one() -> None:
    narrow, wide, answers = Echo(), Echo(), Collector()
    subject = scheduler(narrow, wide=wide, prefers_wide=lambda size: size > 1)
    subject.submit(answers.job("lone"))
    await answers.until(1)
    assert (narrow.batches, wide.batches) == ([["lone"]], [])
    subject.close()


async def test_an_execution_knows_how_many_others_ran_and_whether_on_all_cores() -> None:
    narrow, other, wide, answers = Echo(is_held=True), Echo(is_held=True), Echo(), Collector()
    seen: list[tuple[float, bool]] = []
    subject = scheduler(
        narrow, other, wide=wide, rule=DynamicRule(1), on_run=lambda run: seen.append((run.beside, run.is_wide))
    )
    subject.submit(answers.job("lone"))
    await answers.until(1)
    for item in range(2):
        subject.submit(answers.job(item))
    await asyncio.sleep(0)
    narrow.release()
    await answers.until(2)
    other.release()
    await answers.until(3)
    assert seen == [(0.0, True), (0.5, False), (0.5, False)]
    subject.close()


async def test_jobs_that_belong_together_are_queued_together_or_not_at_all() -> None:
    echo, answers = Echo(), Collector()
    subject = scheduler(echo, queue=JobQueue(QueuePolicy(max_queue_size=2)))
    with pytest.raises(Overloaded):
        subject.submit_all([answers.job(item) for item in range(3)])
    assert subject.pending == 0
    subject.submit_all([answers.job(item) for item in range(2)])
    await answers.until(2)
    assert echo.batches == [[0, 1]]
    subject.close()


async def test_between_two_clients_no_job_gets_all_cores_until_one_is_alone_again() -> None:
    narrow, wide, answers = Echo(), Echo(), Collector()
    subject = scheduler(narrow, wide=wide)
    for item in range(2):
        subject.submit(answers.job(item))
    await answers.until(2)
    for count in range(LONE_JOBS + 1):
        assert not wide.batches
        subject.submit(answers.job("alone"))
        await answers.until(3 + count)
    assert wide.batches == [["alone"]]
    subject.close()


async def test_a_busy_instance_gets_one_full_batch_ahead_and_the_rest_may_still_grow() -> None:
    echo, answers = Echo(is_held=True), Collector()
    subject = scheduler(echo, rule=DynamicRule(2))
    subject.submit(answers.job("running"))
    await asyncio.sleep(0)
    for item in range(5):
        subject.submit(answers.job(item))
    await asyncio.sleep(0)
    assert subject.pending == 3, "two of five were given ahead"
    subject.submit(answers.job(5))
    echo.release()
    await answers.until(7)
    assert echo.batches == [["running"], [0, 1], [2, 3], [4, 5]]
    subject.close()


async def test_what_was_given_ahead_does_not_wait_beside_an_idle_instance() -> None:
    """It waited for the busy one, and later requests ran before it."""
    slow, fast, answers = Echo(is_held=True), Echo(is_held=True), Collector()
    subject = scheduler(slow, fast, rule=DynamicRule(1))
    for item in range(5):
        subject.submit(answers.job(item))
    subject.turn()
    assert subject.pending == 1, "two run, and each instance was given one ahead"
    assert await asyncio.to_thread(slow.started.acquire, timeout=10)
    fast.release()
    await answers.until(4)
    assert fast.batches == [[1], [3], [2], [4]]
    slow.release()
    await answers.until(5)
    assert slow.batches == [[0]]
    subject.close()


async def test_a_batch_that_was_given_ahead_can_still_be_cancelled() -> None:
    """Alone or with company; what has begun goes on."""
    echo, answers = Echo(is_held=True), Collector()
    subject = scheduler(echo, rule=DynamicRule(2))
    running = answers.job("running")
    subject.submit(running)
    subject.turn()
    assert await asyncio.to_thread(echo.started.acquire, timeout=10)
    jobs = [answers.job(item) for item in range(4)]
    for job in jobs:
        subject.submit(job)
    subject.turn()
    assert [job.execution is not None for job in jobs] == [True, True, False, False], "two were given ahead"
    assert subject.cancel(jobs[0])
    assert not subject.cancel(jobs[0])
    assert not subject.cancel(running)
    assert [(item, type(result)) for item, result in answers.answers] == [(0, Cancelled)]
    assert subject.cancel(jobs[1])
    subject.turn()
    assert jobs[2].execution is None, "no others wait behind them: they may still grow"
    echo.release()
    await answers.until(5)
    assert echo.batches == [["running"], [2, 3]]
    await asyncio.wait_for(subject.quiet(), 10)
    subject.close()


class Unbegun(ThreadRunner):
    """Its thread does not get round to beginning anything."""

    def _hand_over(self, execution: Execution, listener: Listener) -> None:
        self._handed[id(execution)] = asyncio.get_running_loop(), listener


async def test_a_batch_that_waits_for_its_thread_can_be_cancelled_and_the_instance_is_free() -> None:
    answers, told = Collector(), []

    def decide(situation: Situation) -> Decision:
        told.append(situation.idle)
        return Run((0,))

    subject = BatchScheduler([Unbegun(Echo(), "i0")], decide)
    for item in range(2):
        job = answers.job(item)
        subject.submit(job)
        subject.turn()
        assert subject.cancel(job)
        await asyncio.wait_for(subject.quiet(), 10)
    assert [type(result) for _, result in answers.answers] == [Cancelled, Cancelled]
    assert told == [1, 1]
    subject.close()


async def test_without_running_ahead_a_batch_leaves_the_queue_when_an_instance_is_free() -> None:
    """As in Triton: until then it grows, and may be overtaken."""
    echo, answers = Echo(is_held=True), Collector()
    subject = scheduler(echo, rule=DynamicRule(2), runs_ahead=False)
    subject.submit(answers.job("running"))
    await asyncio.sleep(0)
    for item in range(5):
        subject.submit(answers.job(item))
    await asyncio.sleep(0)
    assert subject.pending == 5
    echo.release()
    await answers.until(6)
    assert echo.batches == [["running"], [0, 1], [2, 3], [4]]
    subject.close()


async def test_until_an_instance_is_free_jobs_expire_and_are_overtaken() -> None:
    """A full batch was given ahead before; then nothing in it could expire any more."""
    clock = ManualClock()
    echo, answers = Echo(is_held=True), Collector()
    queue = JobQueue(QueuePolicy(default_timeout_s=1.0), levels=2, default_level=2)
    subject = scheduler(echo, rule=DynamicRule(2), queue=queue, clock=clock)
    subject.submit(answers.job("running"))
    subject.turn()
    for item in ("late", "late too"):
        subject.submit(answers.job(item))
    subject.turn()
    clock.advance(0.5)
    for item in ("low", "low too"):
        subject.submit(answers.job(item))
    for item in ("high", "high too"):
        subject.submit(answers.job(item), priority=1)
    subject.turn()
    clock.advance(0.5)
    subject.turn()
    assert [(item, type(result)) for item, result in answers.answers] == [
        ("late", DeadlineExceeded), ("late too", DeadlineExceeded),
    ]  # fmt: skip
    echo.release()
    await answers.until(7)
    assert echo.batches == [["running"], ["high", "high too"], ["low", "low too"]]
    subject.close()


async def test_nobody_waits_while_an_instance_is_idle() -> None:
    first, second, answers = Echo(is_held=True), Echo(), Collector()
    subject = scheduler(first, second, rule=DynamicRule(1))
    subject.submit(answers.job("long"))
    subject.submit(answers.job("short"))
    await answers.until(1)
    assert answers.answers == [("short", "short")]
    first.release()
    await answers.until(2)
    subject.close()


async def test_a_cancelled_job_leaves_the_queue_at_once_and_is_answered_once() -> None:
    echo, answers = Echo(is_held=True), Collector()
    subject = scheduler(echo)
    subject.submit(answers.job("running"))
    await asyncio.sleep(0)
    waiting = answers.job("waiting")
    subject.submit(waiting)
    assert subject.cancel(waiting)
    assert not subject.cancel(waiting)
    assert subject.pending == 0
    assert isinstance(answers.answers[0][1], Cancelled)
    echo.release()
    await answers.until(2)
    assert echo.batches == [["running"]]
    subject.close()


async def test_who_is_cancelled_makes_way_for_those_behind() -> None:
    """They waited until the delay was over, or until something else came."""
    echo, answers = Echo(), Collector()
    subject = scheduler(echo, rule=DynamicRule(4, (1, 4), 3600.0), clock=ManualClock())
    first, second = (Job(size, size, answers._done) for size in (2, 1))
    subject.submit_all([first, second])
    subject.turn()
    await asyncio.sleep(0)
    assert answers.answers == []
    assert subject.cancel(first)
    await answers.until(2)
    assert echo.batches == [[1]]
    subject.close()


async def test_an_exception_reaches_the_item_that_causes_it_and_the_next_batch_runs() -> None:
    echo, answers = Echo(), Collector()
    subject = scheduler(echo)
    subject.submit(answers.job("boom"))
    subject.submit(answers.job("beside"))
    await answers.until(2)
    (_, failed), beside = answers.answers
    assert isinstance(failed, ModelFailed)
    assert "broken model" in failed.message
    assert beside == ("beside", "beside")
    subject.submit(answers.job("after"))
    await answers.until(3)
    assert answers.answers[2] == ("after", "after")
    subject.close()


async def test_late_jobs_are_answered_when_their_time_is_over() -> None:
    clock = ManualClock()
    echo, answers = Echo(is_held=True), Collector()
    subject = scheduler(echo, queue=JobQueue(QueuePolicy(default_timeout_s=1.0)), clock=clock)
    subject.submit(answers.job("running"))
    subject.turn()
    subject.submit(answers.job("late"))
    clock.advance(1.5)
    subject.turn()
    assert isinstance(answers.answers[0][1], DeadlineExceeded)
    echo.release()
    await answers.until(2)
    subject.close()


async def test_order_is_kept_across_instances_where_the_model_asks_for_it() -> None:
    slow, fast, answers = Echo(is_held=True), Echo(), Collector()
    one_ran = asyncio.Event()
    subject = scheduler(slow, fast, rule=DynamicRule(1), preserves_ordering=True, on_run=lambda run: one_ran.set())
    subject.submit(answers.job(1))
    subject.submit(answers.job(2))
    await asyncio.wait_for(one_ran.wait(), 10)
    assert fast.batches == [[2]]
    assert answers.answers == []
    slow.release()
    await answers.until(2)
    assert [item for item, _ in answers.answers] == [1, 2]
    subject.close()


async def test_drain_answers_everything_and_refuses_new_jobs() -> None:
    echo, answers = Echo(is_held=True), Collector()
    subject = scheduler(echo)
    subject.submit(answers.job("last"))
    await asyncio.sleep(0)
    draining = asyncio.ensure_future(subject.drain())
    await asyncio.sleep(0)
    with pytest.raises(NotReady, match="Server is stopping"):
        subject.submit(answers.job("refused"))
    echo.release()
    await draining
    assert answers.answers == [("last", "last")]
    subject.close()


async def test_nobody_waits_for_company_once_no_more_may_come() -> None:
    """A delay of minutes held up the end of a server, and the requests were refused when its patience was over."""
    echo, answers = Echo(), Collector()
    subject = scheduler(echo, rule=DynamicRule(4, (), 3600.0), clock=ManualClock())
    for item in range(5, 7):
        subject.submit(answers.job(item))
    subject.turn()
    assert answers.answers == []
    await asyncio.wait_for(subject.drain(), 10)
    assert answers.answers == [(5, 5), (6, 6)]
    assert echo.batches == [[5, 6]]
    subject.close()


async def test_close_answers_what_still_waits() -> None:
    echo, answers = Echo(is_held=True), Collector()
    subject = scheduler(echo)
    subject.submit(answers.job("running"))
    await asyncio.sleep(0)
    subject.submit(answers.job("waiting"))
    echo.release()
    subject.close()
    assert [type(result) for _, result in answers.answers] == [NotReady]
    await answers.until(2)


async def test_short_runs_move_to_the_loop_and_long_ones_move_back() -> None:
    clock = ManualClock()

    class Timed(Echo):
        took_s = 1e-5

        def execute(self, batch: Batch[Any]) -> Sequence[Any]:
            results = super().execute(batch)
            batch.input_ready_s = clock()
            clock.advance(self.took_s)
            batch.output_ready_s = clock()
            return results

    timed, answers = Timed(), Collector()
    runner = ThreadRunner(timed, "i", may_inline=True, clock=clock, cpu_clock=clock)
    subject = BatchScheduler([runner], partial(decide_dynamic, rule=DynamicRule(1)), clock=clock)
    for at in range(INLINE_AFTER_RUNS):
        subject.submit(answers.job(at))
    await answers.until(INLINE_AFTER_RUNS)
    assert threading.get_ident() not in timed.threads
    assert runner.runs_inline
    timed.took_s = 1.0
    subject.submit(answers.job("inline, but long"))
    await answers.until(INLINE_AFTER_RUNS + 1)
    assert threading.get_ident() in timed.threads
    assert not runner.runs_inline, "the next run is measured in the thread"
    timed.took_s = 1e-5
    subject.submit(answers.job("short after all: only the clock on the wall had moved"))
    await answers.until(INLINE_AFTER_RUNS + 2)
    assert runner.runs_inline
    timed.took_s = 1.0
    for at in range(2):
        subject.submit(answers.job(at))
    await answers.until(INLINE_AFTER_RUNS + 4)
    assert not runner.runs_inline
    timed.took_s = 1e-5
    subject.submit(answers.job("one short run does not make up for a long one in the thread"))
    await answers.until(INLINE_AFTER_RUNS + 5)
    assert not runner.runs_inline
    subject.close()


async def test_what_is_done_in_python_does_not_count_against_running_inline() -> None:
    """A thread cannot gather inputs or split outputs beside the loop, however many there are."""
    clock = ManualClock()

    class Stamping(Echo):
        def execute(self, batch: Batch[Any]) -> Sequence[Any]:
            clock.advance(1e-3)
            batch.input_ready_s = clock()
            clock.advance(1e-5)
            batch.output_ready_s = clock()
            clock.advance(1e-3)
            return super().execute(Batch(batch.items))

    stamping, answers = Stamping(), Collector()
    runner = ThreadRunner(stamping, "i", may_inline=True, clock=clock, cpu_clock=clock)
    subject = BatchScheduler([runner], partial(decide_dynamic, rule=DynamicRule(1)), clock=clock)
    for at in range(INLINE_AFTER_RUNS + 3):
        subject.submit(answers.job(at))
    await answers.until(INLINE_AFTER_RUNS + 3)
    assert runner.runs_inline
    subject.close()


async def test_after_an_inline_run_the_loop_stays_awake_for_a_moment_only() -> None:
    clock = ManualClock()
    echo, answers = Echo(), Collector()
    runner = ThreadRunner(echo, "i", may_inline=True, clock=clock, cpu_clock=clock)
    subject = BatchScheduler([runner], partial(decide_dynamic, rule=DynamicRule(1)), clock=clock)
    for at in range(INLINE_AFTER_RUNS):
        subject.submit(answers.job(at))
    await answers.until(INLINE_AFTER_RUNS)
    assert subject._lingering.looks_left == 0, "runs in the thread do not keep it awake"
    subject.submit(answers.job("inline"))
    subject.turn()
    assert subject._lingering.looks_left == LINGER_LOOKS
    await asyncio.sleep(0)
    assert 0 < subject._lingering.looks_left < LINGER_LOOKS
    clock.advance(LINGER_S)
    await asyncio.sleep(0)
    assert subject._lingering.looks_left == 0
    subject.close()


async def test_every_run_is_reported_with_its_times() -> None:
    runs: list[Execution] = []
    echo, answers = Echo(), Collector()
    subject = scheduler(echo, on_run=runs.append)
    subject.submit(answers.job("a"))
    await answers.until(1)
    assert runs[0].size == 1
    assert runs[0].finished_s >= runs[0].started_s > 0
    subject.close()


async def test_a_policy_may_say_which_instance_runs_a_batch() -> None:
    """As one that keeps the requests of a text together: each item says where it belongs."""

    def decide(situation: Situation) -> Decision:
        for index, job in enumerate(situation.waiting):
            belongs = job.item[0]  # type: ignore[attr-defined]  # the jobs of this test
            if not situation.instances[belongs].in_hand:
                return Run((index,), belongs)
        return WaitUntil(math.inf)

    left, right, answers = Echo(is_held=True), Echo(), Collector()
    subject = BatchScheduler([ThreadRunner(left, "left"), ThreadRunner(right, "right")], decide)
    for item in [(0, "a"), (0, "b"), (1, "a"), (1, "b")]:
        subject.submit(answers.job(item))
    await answers.until(2)
    assert right.batches == [[(1, "a")], [(1, "b")]]
    left.release()
    await answers.until(4)
    assert left.batches == [[(0, "a")], [(0, "b")]]
    subject.close()


async def test_a_batch_of_a_policy_that_says_where_it_runs_goes_nowhere_else() -> None:
    def decide(situation: Situation) -> Decision:
        return Run((0,), situation.waiting[0].item)  # type: ignore[attr-defined]  # the jobs of this test

    left, right, answers = Echo(is_held=True), Echo(), Collector()
    subject = BatchScheduler([ThreadRunner(left, "left"), ThreadRunner(right, "right")], decide)
    for item in (0, 0, 1):
        subject.submit(answers.job(item))
    await answers.until(1)
    await asyncio.sleep(0)
    assert answers.answers == [(1, 1)]
    left.release()
    await answers.until(3)
    assert (left.batches, right.batches) == ([[0], [0]], [[1]])
    subject.close()


async def test_a_policy_is_told_how_many_batches_could_start() -> None:
    told: list[int] = []

    def decide(situation: Situation) -> Decision:
        told.append(situation.idle)
        return Run((0,))

    first, second, answers = Echo(is_held=True), Echo(is_held=True), Collector()
    subject = BatchScheduler([ThreadRunner(first, "i0"), ThreadRunner(second, "i1")], decide)
    for item in range(3):
        subject.submit(answers.job(item))
    subject.turn()
    assert told == [2, 1, 1], "the third question is about a batch ahead"
    first.release()
    second.release()
    await answers.until(3)
    for item in range(3, 5):
        subject.submit(answers.job(item))
    await answers.until(5)
    assert told[-2:] == [2, 1]
    subject.close()
