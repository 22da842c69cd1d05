"""How long runs take, from those that were seen."""

from __future__ import annotations

import pytest

from naiad.scheduling.adaptive.service import DOWN_RATE, MOST_ROWS, UP_RATE, ServiceTimes


def times(*runs: tuple[int, float], most: int = 8) -> ServiceTimes:
    service = ServiceTimes(most)
    for run in runs:
        service.learn(*run)
    return service


def test_nothing_is_known_at_first() -> None:
    assert times().table() == ()


def test_between_and_below_what_was_seen_it_lies_on_lines_and_above_it_is_as_the_largest() -> None:
    table = times((2, 6.0), (6, 10.0)).table()
    assert [table[rows] for rows in (1, 2, 4, 6, 7, 8)] == pytest.approx([5, 6, 8, 10, 10, 10])
    for runs in ([(2, 6.0), (6, 10.0)], [(2, 6.0), (6, 4.0)], [(6, 10.0), (2, 6.0), (6, 1.0)], [(9, 3.0)]):
        assert times(*runs).largest_s == times(*runs).table()[-1]


def test_one_size_alone_makes_smaller_ones_cost_in_proportion() -> None:
    """So that nobody waits for what is not known to gain anything; running a small one makes it known."""
    assert times((8, 8.0)).table()[4] == pytest.approx(4.0)


def test_a_small_run_takes_no_longer_than_a_large_one() -> None:
    """The first run of a model takes far longer than it ever will again."""
    table = times((1, 5.0), (4, 0.01)).table()
    assert table[1] == pytest.approx(0.01)


def test_what_is_shorter_is_believed_sooner_than_what_is_longer() -> None:
    assert times((1, 1.0), (1, 0.5)).known[1] == pytest.approx(1 - 0.5 * DOWN_RATE)
    assert times((1, 1.0), (1, 1.5)).known[1] == pytest.approx(1 + 0.5 * UP_RATE)
    assert times((1, 1.0), (1, 900.0)).known[1] == pytest.approx(1 + UP_RATE), "it may just have been stopped"


def test_a_huge_batch_size_needs_no_huge_table() -> None:
    service = times((1, 1.0), (10**6, 3.0), most=2**31 - 1)
    assert len(service.table()) == MOST_ROWS + 1
    assert service.table()[-1] == 3.0
