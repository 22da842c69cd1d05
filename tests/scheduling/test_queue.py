"""Waiting: order, priority, bounds, time limits."""

from __future__ import annotations

from typing import Any

import pytest

from naiad.core.errors import Overloaded
from naiad.core.model.config import QueuePolicy
from naiad.scheduling.contract import Job
from naiad.scheduling.queue import SPARE_DEADLINES, JobQueue


def ignore(job: Job, result: Any, is_final: bool) -> None:
    del job, result, is_final


def job(item: str) -> Job:
    return Job(item, 1, ignore)


def names(queue: JobQueue, most: int = 99) -> list[str]:
    return [waiting.item for waiting in queue.front(most)]


def test_first_in_first_out() -> None:
    queue = JobQueue()
    for name in "abc":
        queue.add(job(name), 0.0)
    assert names(queue) == ["a", "b", "c"]
    assert names(queue, 2) == ["a", "b"]
    assert queue.length == 3


def test_higher_priority_first_and_zero_means_the_default_level() -> None:
    queue = JobQueue(levels=3, default_level=2)
    for name, priority in (("low", 3), ("default", 0), ("high", 1), ("beyond", 7)):
        queue.add(job(name), 0.0, priority)
    assert names(queue) == ["high", "default", "beyond", "low"]


def test_a_full_level_refuses() -> None:
    queue = JobQueue(QueuePolicy(max_queue_size=1))
    queue.add(job("a"), 0.0)
    with pytest.raises(Overloaded, match="Exceeds maximum queue size"):
        queue.add(job("b"), 0.0)
    assert queue.length == 1


def test_removal_is_immediate_and_happens_once() -> None:
    queue = JobQueue()
    first, second = job("a"), job("b")
    queue.add(first, 0.0)
    queue.add(second, 0.0)
    assert queue.remove(first)
    assert not queue.remove(first)
    assert names(queue) == ["b"]


def test_time_limits_reject_what_is_late() -> None:
    queue = JobQueue(QueuePolicy(default_timeout_s=1.0))
    late, early = job("late"), job("early")
    queue.add(late, 0.0)
    queue.add(early, 0.5)
    assert queue.next_deadline_s == 1.0
    assert queue.expire(0.9) == []
    assert queue.expire(1.0) == [late]
    assert names(queue) == ["early"]
    assert queue.next_deadline_s == 1.5


def test_a_request_may_shorten_its_limit_where_the_policy_allows_it() -> None:
    queue = JobQueue(QueuePolicy(default_timeout_s=1.0, allows_timeout_override=True))
    short, longer = job("short"), job("longer")
    queue.add(longer, 0.0, timeout_us=5_000_000)
    queue.add(short, 0.0, timeout_us=100_000)
    assert queue.expire(0.2) == [short]
    assert queue.next_deadline_s == 1.0


def test_a_delaying_policy_runs_late_ones_after_all_others() -> None:
    queue = JobQueue(QueuePolicy(default_timeout_s=1.0, delays_on_timeout=True))
    late = job("late")
    queue.add(late, 0.0)
    queue.add(job("next"), 0.9)
    assert queue.expire(1.0) == []
    assert names(queue) == ["next", "late"]
    assert queue.remove(late)
    assert queue.length == 1


DELAYING = QueuePolicy(default_timeout_s=1.0, delays_on_timeout=True)


def test_a_delayed_one_stands_behind_its_own_level_only() -> None:
    """It stood behind everybody, so that lower levels could keep it from running for ever."""
    queue = JobQueue(DELAYING, levels=3, default_level=2)
    for name, priority, at in (("late", 1, 0.0), ("high", 1, 0.5), ("middle", 2, 0.5), ("low", 3, 0.5)):
        queue.add(job(name), at, priority)
    assert queue.expire(1.0) == []
    assert names(queue) == ["high", "late", "middle", "low"]
    assert queue.expire(1.5) == []
    assert names(queue) == ["late", "high", "middle", "low"]


def test_delayed_ones_count_for_the_bound_of_their_level() -> None:
    queue = JobQueue(QueuePolicy(default_timeout_s=1.0, delays_on_timeout=True, max_queue_size=2))
    queue.add(job("late"), 0.0)
    queue.expire(1.0)
    queue.add(job("next"), 1.0)
    with pytest.raises(Overloaded):
        queue.add(job("third"), 1.0)


@pytest.mark.parametrize("levels", [2**32 - 1, 2**64 - 1])
def test_a_level_is_there_while_somebody_waits_in_it(levels: int) -> None:
    """All of them were made when the model was loaded: 4294967295 took the machine's memory."""
    queue = JobQueue(levels=levels, default_level=7, level_policies={levels: QueuePolicy(max_queue_size=1)})
    jobs = [job(str(priority)) for priority in (levels, 7, 1)]
    for one in jobs:
        queue.add(one, 0.0, int(one.item))
    with pytest.raises(Overloaded):
        queue.add(job("full"), 0.0, levels)
    assert names(queue) == ["1", "7", str(levels)]
    queue.take(queue.front(2))
    assert queue.remove(jobs[0])
    assert (queue.length, queue.front(9), queue._levels) == (0, [], {})


def test_who_has_left_is_not_kept_until_its_deadline() -> None:
    """Requests with a time limit of an hour stayed in memory for an hour, tensors included."""
    queue = JobQueue(QueuePolicy(default_timeout_s=3600.0))
    for number in range(1000):
        queue.add(job(str(number)), 0.0)
        queue.take(queue.front(1))
    assert len(queue._deadlines) <= 2 * queue.length + SPARE_DEADLINES + 1


@pytest.mark.parametrize(
    ("queue", "may"),
    [
        (JobQueue(), True),
        (JobQueue(levels=2, default_level=1), False),
        (JobQueue(QueuePolicy(default_timeout_s=1.0)), False),
        (JobQueue(QueuePolicy(max_queue_size=1)), False),
        (JobQueue(levels=1, default_level=1, level_policies={1: QueuePolicy(default_timeout_s=1.0)}), False),
    ],
)
def test_no_batch_runs_ahead_where_jobs_expire_or_overtake(queue: JobQueue, may: bool) -> None:
    assert queue.may_run_ahead is may
