"""Requests of many texts beside small ones: who is served when, as tables and for any mixture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.errors import Overloaded
from naiad.scheduling.contract import Job
from naiad.scheduling.turns import TurnQueue, Turns

SHARE = 10


def ignore(job: Job, result: Any, is_final: bool) -> None:
    del job, result, is_final


def queue_of(*requests: tuple[str, Sequence[int]], most: int = 0) -> TurnQueue:
    """A queue with requests, each a name and the sizes of its jobs."""
    queue = TurnQueue(most=most, share=SHARE, least=1)
    for name, sizes in requests:
        add(queue, name, sizes)
    return queue


def add(queue: TurnQueue, name: str, sizes: Sequence[int], turns: Turns | None = None) -> list[Job]:
    turns = turns or (Turns() if len(sizes) > 1 else None)
    jobs = [Job(f"{name}{number}" if turns else name, size, ignore) for number, size in enumerate(sizes)]
    for job in jobs:
        job.turns = turns
        queue.add(job, 0.0)
    return jobs


def served(queue: TurnQueue, count: int = 99) -> str:
    """Take jobs one by one."""
    names = []
    while queue.length and len(names) < count:
        (job,) = queue.front(1)
        queue.take([job])
        names.append(str(job.item))
    return " ".join(names)


@pytest.mark.parametrize(
    ("requests", "order"),
    [
        pytest.param(
            [("a", [3]), ("b", [99]), ("c", [1])], "a b c", id="requests of one job: first come, first served"
        ),
        pytest.param([("A", [5] * 6)], "A0 A1 A2 A3 A4 A5", id="a request keeps its order"),
        pytest.param([("A", [5] * 6), ("b", [5])], "A0 A1 b A2 A3 A4 A5", id="a small one waits for a share only"),
        pytest.param([("A", [5] * 4), ("B", [5] * 4)], "A0 A1 B0 B1 A2 A3 B2 B3", id="large ones alternate"),
        pytest.param([("A", [5] * 4), ("B", [10] * 2)], "A0 A1 B0 A2 A3 B1", id="by size, not by number"),
        pytest.param([("A", [35, 5, 5]), ("B", [10] * 5)], "A0 B0 B1 B2 A1 B3 A2 B4", id="who took more waits longer"),
        pytest.param([("A", [6, 6, 6]), ("B", [6, 6, 6])], "A0 A1 B0 B1 A2 B2", id="what goes beyond is remembered"),
        pytest.param([("A", [1] * 3), ("B", [1] * 3)], "A0 A1 A2 B0 B1 B2", id="less than a share is not taken apart"),
    ],
)
def test_who_is_served_when(requests: list[tuple[str, list[int]]], order: str) -> None:
    queue = queue_of(*requests)
    assert " ".join(str(job.item) for job in queue.front(99)) == order
    assert served(queue) == order


def test_a_small_one_that_comes_later_does_not_wait_for_the_rest() -> None:
    queue = queue_of(("A", [5] * 16_000))
    served(queue, 101)
    add(queue, "small", [5])
    assert served(queue, 5) == "A101 A102 A103 small A104"


def test_small_ones_without_end_do_not_keep_a_large_one_waiting() -> None:
    """As from clients that send the next when they have the answer."""
    queue = queue_of(("A", [5] * 20))
    waiting = 8
    for number in range(waiting):
        add(queue, f"s{number}", [5])
    taken: list[str] = []
    while "A19" not in taken:
        taken.append(served(queue, 1))
        if taken[-1].startswith("s"):
            add(queue, f"s{waiting}", [5])
            waiting += 1
    rounds = 20 * 5 // SHARE
    assert len(taken) <= rounds * (2 + 9)


def test_jobs_that_come_later_go_on_where_their_request_was() -> None:
    queue, turns = TurnQueue(share=SHARE, least=1), Turns()
    add(queue, "A", [5] * 4, turns)
    add(queue, "B", [5] * 6)
    assert served(queue, 4) == "A0 A1 B0 B1"
    add(queue, "a", [5] * 2, turns)
    assert served(queue) == "A2 A3 B2 B3 B4 B5 a0 a1"


def test_a_request_that_had_nothing_to_do_has_no_rounds_in_store() -> None:
    queue, turns = TurnQueue(share=SHARE, least=1), Turns()
    add(queue, "A", [5] * 2, turns)
    served(queue)
    add(queue, "B", [5] * 8)
    served(queue, 6)
    add(queue, "a", [5] * 4, turns)
    assert served(queue) == "B6 B7 a0 a1 a2 a3"


def test_who_leaves_unserved_moves_nobody() -> None:
    queue = queue_of(("A", [5] * 6))
    last = queue.front(9)[-1]
    assert queue.remove(last)
    assert not queue.remove(last)
    add(queue, "b", [5])
    assert served(queue) == "A0 A1 b A2 A3 A4"
    assert (queue.length, queue._rounds, queue._order) == (0, {}, [])


def test_a_short_job_counts_as_much_as_it_costs() -> None:
    queue = TurnQueue(share=SHARE, least=5)
    add(queue, "A", [1] * 4)
    add(queue, "B", [5] * 4)
    assert served(queue) == "A0 A1 B0 B1 A2 A3 B2 B3"


def test_a_full_queue_refuses() -> None:
    queue = queue_of(("A", [5] * 2), ("a", [5]), most=3)
    with pytest.raises(Overloaded, match="Exceeds maximum queue size"):
        add(queue, "b", [5])
    assert queue.length == 3


def test_a_large_request_leaves_room_for_others() -> None:
    """Four of 16,000 texts filled the queue, and everybody else was refused until they were done."""
    queue, turns = TurnQueue(most=8, share=SHARE), Turns()
    add(queue, "A", [5] * 6, turns)
    with pytest.raises(Overloaded, match="Exceeds maximum queue size"):
        add(queue, "A", [5], turns)
    add(queue, "b", [5])
    with pytest.raises(Overloaded):
        add(queue, "C", [5, 5])
    add(queue, "c", [5])
    served(queue, 4)
    add(queue, "A", [5], turns)
    queue.take(queue.front(9))
    assert turns.waiting == 0


@given(st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=12), min_size=1, max_size=6))
def test_nobody_gets_more_than_a_share_ahead_of_who_waits_all_the_while(requests: list[list[int]]) -> None:
    queue = queue_of(*((chr(97 + number), sizes) for number, sizes in enumerate(requests)))
    left = [sum(sizes) for sizes in requests]
    got = [0] * len(requests)
    largest = max(max(sizes) for sizes in requests)
    while queue.length:
        (job,) = queue.front(1)
        queue.take([job])
        who = ord(str(job.item)[0]) - 97
        got[who] += job.size
        left[who] -= job.size
        for other, waits in enumerate(left):
            if waits:
                assert got[who] - got[other] <= 2 * SHARE + 2 * largest
    assert left == [0] * len(requests)
