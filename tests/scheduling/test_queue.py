"""Waiting: order, priority, bounds, time limits."""

from __future__ import annotations

from typing import Any

import pytest

from naiad.core.errors import Overloaded
from naiad.core.model_config import QueuePolicy
from naiad.scheduling.contract import Job
from naiad.scheduling.queue import JobQueue


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
