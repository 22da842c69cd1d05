"""When a step of an ensemble runs: a comparison of one tensor or one parameter of the request with a constant.

A comparison and nothing more: nothing is evaluated that somebody wrote. What is missing meets no condition but
`is_given: false`; values of different kinds (a text and a number) are not compared, but are an error.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from naiad.core.errors import InvalidConfiguration, InvalidRequest

Value = bool | int | float | str

OPERATORS = ("equals", "not_equals", "less_than", "at_least", "one_of", "is_given")


@dataclass(frozen=True, slots=True)
class When:
    """One condition: of `tensor` and `parameter` one is set, and of the others one."""

    tensor: str = ""
    """Name of an ensemble tensor, which must have one element then."""
    parameter: str = ""
    """Name of a parameter of the request."""
    equals: Value | None = None
    not_equals: Value | None = None
    less_than: float | None = None
    at_least: float | None = None
    one_of: Sequence[Value] | None = None
    is_given: bool | None = None
    """Whether it is there at all."""

    def __post_init__(self) -> None:
        if bool(self.tensor) == bool(self.parameter):
            raise InvalidConfiguration("when: name either a tensor or a parameter", key="when")
        given = [name for name in OPERATORS if getattr(self, name) is not None]
        if len(given) != 1:
            raise InvalidConfiguration(
                f"when: give one of {', '.join(OPERATORS)}; there are {' and '.join(given) or 'none'}", key="when"
            )
        self._check(given[0], getattr(self, given[0]))
        if self.one_of is not None:
            object.__setattr__(self, "one_of", tuple(self.one_of))

    def _check(self, name: str, value: object) -> None:
        kinds: dict[str, Any] = {
            "less_than": (int, float),
            "at_least": (int, float),
            "is_given": bool,
            "one_of": (list, tuple),
        }
        kind = kinds.get(name, (bool, int, float, str))
        is_right = isinstance(value, kind) and (name not in ("less_than", "at_least") or not isinstance(value, bool))
        if is_right and isinstance(value, list | tuple):
            is_right = bool(value) and all(isinstance(one, bool | int | float | str) for one in value)
        if not is_right:
            what = {"is_given": "true or false", "one_of": "a list of texts or numbers"}
            number = "a number" if name in ("less_than", "at_least") else "a text, a number, true or false"
            raise InvalidConfiguration(f"when: {name} must be {what.get(name, number)}, not {value!r}", key="when")

    @property
    def operator(self) -> str:
        """The name of what is compared how."""
        return next(name for name in OPERATORS if getattr(self, name) is not None)

    def __str__(self) -> str:
        subject = f"tensor {self.tensor}" if self.tensor else f"parameter {self.parameter}"
        return f"{subject} {self.operator} {json.dumps(getattr(self, self.operator), ensure_ascii=False)}"

    @classmethod
    def parse(cls, text: str) -> When:
        """Read what `str` writes: `parameter rerank equals true`. Raises InvalidConfiguration."""
        words = text.split(maxsplit=3)
        if len(words) != 4 or words[0] not in ("tensor", "parameter") or words[2] not in OPERATORS:
            raise InvalidConfiguration(
                f"when: '{text}' is no condition; write tensor or parameter, its name, one of {', '.join(OPERATORS)}, "
                'and a value as in JSON, such as: parameter language equals "de"'
            )
        try:
            value = json.loads(words[3])
        except ValueError as error:
            raise InvalidConfiguration(f"when: '{words[3]}' is no value as in JSON: {error}") from error
        return cls(**{words[0]: words[1], words[2]: value})

    def holds(self, value: Value | None) -> bool:
        """Compare; None: it is missing. Raises InvalidRequest for values that cannot be compared."""
        if self.is_given is not None:
            return (value is not None) == self.is_given
        if value is None:
            return False
        if self.one_of is not None:
            return any(self._equal(value, one) for one in self.one_of)
        if self.equals is not None:
            return self._equal(value, self.equals)
        if self.not_equals is not None:
            return not self._equal(value, self.not_equals)
        bound = self.at_least if self.less_than is None else self.less_than
        assert bound is not None
        if isinstance(value, bool | str):
            raise self._odd(value, bound)
        return value < bound if self.at_least is None else value >= bound

    def _equal(self, value: Value, other: Value) -> bool:
        if _kind(value) is not _kind(other):
            raise self._odd(value, other)
        return value == other

    def _odd(self, value: Value, other: Value) -> InvalidRequest:
        subject = f"tensor '{self.tensor}'" if self.tensor else f"parameter '{self.parameter}'"
        return InvalidRequest(f"{subject} is {json.dumps(value)}, which cannot be compared with {json.dumps(other)}")


def _kind(value: Value) -> type:
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


WHEN_KEYS = tuple(field.name for field in fields(When))
"""The names by which a condition is written down."""
