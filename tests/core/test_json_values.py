"""What values out of files are, and how much of them an error shows."""

from __future__ import annotations

from typing import Any

import pytest

from naiad.core.json_values import LONGEST_SHOWN, is_number, is_whole, shown


def len_of(value: Any) -> str:
    """A name for a test that is not as long as its value."""
    return type(value).__name__


@pytest.mark.parametrize("value", [0, -1, 2.5, 10**18])
def test_numbers(value: Any) -> None:
    assert is_number(value)


@pytest.mark.parametrize("value", [True, None, "1", float("nan"), float("inf"), -float("inf"), 10**400, [1]])
def test_no_numbers(value: Any) -> None:
    assert not is_number(value)


def test_true_is_no_whole_number() -> None:
    assert [is_whole(value) for value in (1, True, 1.0)] == [True, False, False]


@pytest.mark.parametrize("value", ["x" * 10**6, 10**4000, list(range(10**4)), {"a": "b" * 1000}], ids=len_of)
def test_a_long_value_is_shown_in_part(value: Any) -> None:
    assert len(shown(value)) <= LONGEST_SHOWN


def test_a_short_value_is_shown_whole() -> None:
    assert shown({"a": [1, None]}) == "{'a': [1, None]}"
