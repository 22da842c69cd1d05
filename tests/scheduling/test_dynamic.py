"""Triton's batching rule as a table."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import pytest

from naiad.scheduling.decision import Run, Situation, WaitUntil
from naiad.scheduling.dynamic import DynamicRule, decide_dynamic


@dataclass
class Item:
    size: int
    queued_s: float = 0.0
    shape_key: Hashable = None


def items(*sizes: int) -> list[Item]:
    return [Item(size) for size in sizes]


@pytest.mark.parametrize(
    ("sizes", "rule", "now", "taken"),
    [
        pytest.param((1,), DynamicRule(8), 0.0, 1, id="no delay: a lone request runs at once"),
        pytest.param((1, 1, 1), DynamicRule(8), 0.0, 3, id="what waits is joined"),
        pytest.param((1,) * 10, DynamicRule(8), 0.0, 8, id="never more than max_batch_size"),
        pytest.param((5, 5), DynamicRule(8), 0.0, 1, id="a request is never split"),
        pytest.param((9,), DynamicRule(8), 0.0, 1, id="the first request is always taken"),
        pytest.param((1, 1), DynamicRule(1), 0.0, 1, id="without batching each runs alone"),
        pytest.param((2, 2, 1), DynamicRule(8, (4,)), 9.0, 2, id="no delay: a preferred prefix beats a larger batch"),
        pytest.param((2, 2, 1), DynamicRule(8, (4,), 1.0), 0.5, 2, id="so it does until the delay is over"),
        pytest.param((2, 2, 1), DynamicRule(8, (4,), 1.0), 1.0, 3, id="once the delay is over the larger batch wins"),
        pytest.param((3, 3), DynamicRule(8, (4,), 1.0), 0.5, 1, id="stop before the largest preferred size is passed"),
        pytest.param((1,) * 8, DynamicRule(8, (), 9.0), 0.0, 8, id="a full batch does not wait"),
    ],
)
def test_how_many_are_taken(sizes: tuple[int, ...], rule: DynamicRule, now: float, taken: int) -> None:
    decision = decide_dynamic(Situation(items(*sizes), now), rule)
    assert isinstance(decision, Run)
    assert list(range(taken)) == list(decision.picks)


def test_waits_for_company_until_the_delay_is_over() -> None:
    rule = DynamicRule(8, (), 0.5)
    waiting = [Item(1, queued_s=10.0)]
    assert WaitUntil(10.5) == decide_dynamic(Situation(waiting, 10.2), rule)
    assert Run(range(1)) == decide_dynamic(Situation(waiting, 10.5), rule)


def test_the_one_that_has_waited_longest_counts_wherever_it_stands() -> None:
    """One of a lower priority level waited its own delay and that of everybody who overtook it."""
    rule = DynamicRule(8, (), 0.5)
    waiting = [Item(1, queued_s=10.4), Item(1, queued_s=10.0)]
    assert WaitUntil(10.5) == decide_dynamic(Situation(waiting, 10.45), rule)
    assert Run(range(2)) == decide_dynamic(Situation(waiting, 10.5), rule)


def test_other_shapes_end_the_batch() -> None:
    waiting = [Item(1, shape_key="a"), Item(1, shape_key="a"), Item(1, shape_key="b"), Item(1, shape_key="a")]
    assert Run(range(2)) == decide_dynamic(Situation(waiting, 0.0), DynamicRule(8, (), 5.0))
