"""Values out of JSON files that nobody has checked: what they are, and how an error shows them."""

from __future__ import annotations

from typing import Any, TypeGuard

LARGEST = 2**24
"""Of whole numbers that are sizes: ten times the largest vocabulary. What one means may bound it further, and what the
weights hold does."""

LONGEST_SHOWN = 80
"""Characters of a value in an error."""

_LARGEST = 1e300
"""Beyond are infinity, and whole numbers that no float can hold."""


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether this is a number that a float can hold: not true or false, not NaN, not infinite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST


def is_whole(value: object) -> TypeGuard[int]:
    """Whether this is a whole number, and neither true nor false."""
    return isinstance(value, int) and not isinstance(value, bool)


def shown(value: Any) -> str:
    """The value as an error shows it: not all of a long one."""
    if is_whole(value) and not is_number(value):
        return f"a whole number of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
