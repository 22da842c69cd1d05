"""What is expected to come, learned from how the last requests came."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from naiad.scheduling.adaptive.arrivals import CHANCE_RATE, DEVIATIONS, Arrivals, Expected

RUN_S = 0.010


def seen(events: Iterable[tuple[float, int]]) -> Arrivals:
    """Requests and answers as they came: (milliseconds, how many are under way from then on)."""
    arrivals = Arrivals()
    arrivals.useful_s = RUN_S
    for at_ms, level in events:
        arrivals.note(level, at_ms / 1000)
    return arrivals


def two_clients(rounds: int) -> list[tuple[float, int]]:
    """Both come one millisecond after their answer, one right behind the other, and run together for ten."""
    return [one for at in range(rounds) for one in ((at * 12 + 1, 1), (at * 12 + 1.5, 2), (at * 12 + 12, 0))]


def test_nothing_is_expected_before_anything_has_come() -> None:
    assert list(seen([]).outlook(8).coming) == []


def test_nothing_is_learned_until_it_is_known_how_long_a_run_takes() -> None:
    arrivals = Arrivals()
    for at_ms, level in two_clients(3):
        arrivals.note(level, at_ms / 1000)
    arrivals.note(1, 0.037)
    assert list(arrivals.outlook(8).coming) == []


def test_of_two_clients_the_second_is_expected_behind_the_first_and_no_third() -> None:
    arrivals = seen([*two_clients(5), (61, 1)])
    outlook = arrivals.outlook(8)
    assert outlook.since_s == 0.061
    assert [one.mean_s for one in outlook.coming] == [pytest.approx(0.0005)]
    assert outlook.ends, "both are under way then"
    arrivals.note(2, 0.0615)
    assert (arrivals.outlook(8).coming, arrivals.outlook(8).ends) == ([], True)


def test_one_client_that_is_left_is_alone_after_three_rounds() -> None:
    alone = [one for at in range(3) for one in ((100 + at * 12, 1), (111 + at * 12, 0))]
    for rounds in range(4):
        arrivals = seen([*two_clients(5), *alone[: 2 * rounds], (200, 1)])
        assert len(arrivals.outlook(8).coming) == (rounds < 3), rounds


def test_after_an_answer_something_else_is_expected_than_after_a_request() -> None:
    """Of three clients two are answered, while the third waits: they need a round trip, and come together."""
    rounds = [one for at in range(4) for one in ((at * 20 + 2, 2), (at * 20 + 2.1, 3), (at * 20 + 18, 1))]
    arrivals = seen([(0, 1), *rounds])
    first, second = arrivals.outlook(8).coming
    assert first.mean_s == pytest.approx(0.004, rel=0.1)
    assert second.mean_s == pytest.approx(0.0001)


def test_requests_that_come_in_one_moment_are_expected_so_again() -> None:
    bursts = [one for at in range(3) for one in ((at * 100, 5), (at * 100 + 0.2, 9), (at * 100 + 20, 0))]
    arrivals = seen([*bursts, (300, 2)])
    means = [one.mean_s for one in arrivals.outlook(20).coming]
    assert means == pytest.approx([0, 0, 0, 0.0002, 0, 0, 0])
    assert arrivals.outlook(3).coming == arrivals.outlook(20).coming[:3]
    assert not arrivals.outlook(3).ends


def test_the_limit_follows_how_much_gaps_differ() -> None:
    """As TCP's retransmission timer (RFC 6298): the mean and four deviations."""
    arrivals = seen([*two_clients(30), (361, 1)])
    (steady,) = arrivals.outlook(8).coming
    assert steady.limit_s == pytest.approx(steady.mean_s, rel=0.01)
    rounds = [one for at in range(30) for one in ((at * 12, 1), (at * 12 + (1, 3)[at % 2], 2), (at * 12 + 11.9, 0))]
    (uneven,) = seen([*rounds, (360, 1)]).outlook(8).coming
    assert uneven == Expected(pytest.approx(0.002, rel=0.1), pytest.approx(0.002 + DEVIATIONS * 0.001, rel=0.1), 1.0)


def test_a_request_that_comes_too_late_to_be_of_use_counts_as_none() -> None:
    late = [(0.0, 1), (RUN_S * 1000 + 1, 2), (30.0, 0)]
    assert seen([*late, (40.0, 1)]).outlook(8).coming == []
    arrivals = seen([*two_clients(5), *((at + 70, level) for at, level in late), (150, 1)])
    assert [one.chance for one in arrivals.outlook(8).coming] == [1 - CHANCE_RATE]


def test_levels_above_the_most_are_not_told_apart() -> None:
    arrivals = Arrivals(levels=4)
    arrivals.useful_s = RUN_S
    for at in range(3):
        arrivals.note(100_000, at * 0.1 + 0.001)
        arrivals.note(0, at * 0.1 + 0.02)
    arrivals.note(1, 0.3)
    assert len(arrivals.outlook(64).coming) == 3
