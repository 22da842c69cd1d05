"""A queue without levels keeps nothing of those who have left, wherever in it they stood."""

from __future__ import annotations

import random

from naiad.scheduling.contract import Job
from naiad.scheduling.queue import SPARE_PLACES, JobQueue


def job(item: int) -> Job:
    return Job(item, 1, lambda *_: None)


def test_whoever_leaves_from_the_middle_is_not_seen_again() -> None:
    queue, jobs = JobQueue(), [job(item) for item in range(6)]
    for one in jobs:
        queue.add(one, 0.0)
    assert queue.remove(jobs[2])
    assert not queue.remove(jobs[2])
    queue.take([jobs[0], jobs[3]])
    assert not queue.remove(jobs[3])
    assert ([one.item for one in queue.front(2)], queue.length) == ([1, 4], 3)
    assert [one.item for one in queue.front(99)] == [1, 4, 5]
    assert not queue.remove(job(7)), "it was never here"


def test_places_of_those_who_have_left_are_given_up() -> None:
    """A client that withdraws all it asks for must not fill the memory while the first request waits."""
    queue = JobQueue()
    queue.add(job(0), 0.0)
    for item in range(10_000):
        one = job(item)
        queue.add(one, 0.0)
        assert queue.remove(one)
    assert queue.length == 1
    assert queue._only_line is not None
    assert len(queue._only_line) <= 2 + SPARE_PLACES


def test_it_is_as_a_list_from_which_some_are_taken() -> None:
    chance = random.Random(4)  # noqa: S311
    queue, plain, number = JobQueue(), list[Job](), 0
    for _ in range(5000):
        what = chance.random()
        if what < 0.5 or not plain:
            plain.append(job(number := number + 1))
            queue.add(plain[-1], 0.0)
        elif what < 0.7:
            assert queue.remove(one := plain.pop(chance.randrange(len(plain))))
            assert one not in queue.front(len(plain) + 1)
        else:
            front = queue.front(chance.randrange(1, 9))
            taken = [one for one in front if chance.random() < 0.7] or front[:1]
            queue.take(taken)
            plain = [one for one in plain if one not in taken]
        assert (queue.length, queue.front(5)) == (len(plain), plain[:5])
