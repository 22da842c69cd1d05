"""Times between and beyond what was measured, and the way to a file and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import PACKS

from naiad.scheduling.learned.curve import Curve, Times

TIMES = Times(((10, 2.0), (20, 3.0), (40, 9.0)))


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [(10, 2.0), (15, 2.5), (20, 3.0), (30, 6.0), (40, 9.0), (60, 15.0), (5, 1.5), (1, 1.1)],
)
def test_on_the_line_between_and_beyond(tokens: int, expected: float) -> None:
    assert TIMES.seconds(tokens) == pytest.approx(expected)


def test_a_smaller_run_takes_no_less_than_its_part() -> None:
    assert Times(((10, 1.0), (20, 10.0))).seconds(5) == 0.5


def test_one_point_is_a_proportion() -> None:
    assert Times(((10, 2.0),)).seconds(30) == 6.0


def test_noise_that_made_a_smaller_run_slower_is_taken_away() -> None:
    assert Times.of([(20, 3.0), (10, 5.0), (40, 4.0)]) == Times(((10, 3.0), (20, 3.0), (40, 4.0)))


@pytest.mark.parametrize("points", [((0, 1.0),), ((1, 0.0),), ((2, 1.0), (1, 2.0)), ((1, 2.0), (2, 1.0))])
def test_what_cannot_be_measured_is_no_curve(points: tuple[tuple[int, float], ...]) -> None:
    with pytest.raises(ValueError, match="grow with the tokens"):
        Times(points)


def test_there_and_back() -> None:
    assert Curve.from_json(PACKS.curve.to_json()) == PACKS.curve


@pytest.mark.parametrize("text", ["", "[]", "{}", "7", '{"alone": [[1]]}', '{"alone": [], "other": []}'])
def test_what_is_no_curve_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="no curve"):
        Curve.from_json(text)


@given(st.dictionaries(st.integers(1, 1000), st.floats(1e-6, 10.0), min_size=1), st.integers(1, 2000))
def test_more_tokens_never_take_less_time(points: dict[int, float], tokens: int) -> None:
    times = Times.of(points.items())
    assert 0 < times.seconds(tokens) <= times.seconds(tokens + 1) * (1 + 1e-9)


@given(st.dictionaries(st.integers(1, 100), st.floats(1e-6, 10.0), min_size=1))
def test_a_table_says_the_same(points: dict[int, float]) -> None:
    times = Times.of(points.items())
    assert times.table(150)[1:] == pytest.approx([times.seconds(tokens) for tokens in range(1, 151)])
