"""A task's parameters: what may be set, by options when the model is loaded and by each request.

Parameters of v2 requests are scalars, so lists are written as text: a JSON array or words separated by commas. Tasks
declare their parameters as a table; nothing else reads `request.parameters`.

Requests also carry parameters that are meant for others: MLServer's content_type, a caller's trace id, forwarded
headers. They are ignored, but not those that look like a slip of the pen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from naiad.core.errors import InvalidConfiguration, InvalidRequest
from naiad.core.nearest import nearest

LIKENESS = 0.75
"""From this share of common letters on (difflib's ratio), an unknown name is taken for a misspelt known one."""

Value = Any
"""A parameter's value after reading: bool, int, str, tuple of str or None."""


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """One parameter that a task knows."""

    name: str
    default: Value
    read: Callable[[Any], Value]
    """Gives the value, or raises ValueError or TypeError."""
    expects: str
    """What a good value is, in words, for the error."""


class Parameters:
    """The parameters of one loaded task: its table, with the options as defaults."""

    def __init__(self, task: str, specs: Sequence[ParameterSpec], options: Mapping[str, Any]) -> None:
        """Take `options` as defaults. Raises InvalidConfiguration for unknown names and bad values."""
        self._task = task
        self._specs = {spec.name: spec for spec in specs}
        self._defaults: dict[str, Value] = {spec.name: spec.default for spec in specs}
        try:
            for name in options:
                if name not in self._specs:
                    raise self._unknown(name)
            self._defaults.update(self._read(options))
        except InvalidRequest as error:
            raise InvalidConfiguration(error.message, **error.detail) from error

    def of(self, given: Mapping[str, Any]) -> Mapping[str, Value]:
        """All parameters with those of a request laid over the defaults; do not write into it.

        Unknown names are ignored. Raises InvalidRequest for bad values and for names close to a known one.
        """
        return {**self._defaults, **self._read(given)} if given else self._defaults

    def _unknown(self, name: str, meant: str = "") -> InvalidRequest:
        known = ", ".join(self._specs) or "none"
        hint = f"did you mean '{meant}'? It has" if meant else "it has"
        return InvalidRequest(f"{self._task} has no parameter '{name}'; {hint}: {known}", parameter=name)

    def _read(self, given: Mapping[str, Any]) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for name, raw in given.items():
            spec = self._specs.get(name)
            if spec is None:
                if meant := _closest(name, self._specs):
                    raise self._unknown(name, meant)
                continue
            try:
                values[name] = spec.read(raw)
            except (ValueError, TypeError, RecursionError):  # the last: JSON nested too deeply
                message = f"{self._task}: parameter '{name}' is {raw!r}, {spec.expects} is expected"
                raise InvalidRequest(message, parameter=name) from None
        return values


def _closest(name: str, known: Mapping[str, Any]) -> str:
    """The known name that this one looks like; empty where there is none."""
    spelled = {re.sub(r"[\W_]", "", one).lower(): one for one in known}
    return spelled.get(nearest(re.sub(r"[\W_]", "", name).lower(), spelled, LIKENESS), "")


def whole_number(name: str, default: int | None, minimum: int = 1) -> ParameterSpec:
    """A parameter that is an integer of at least `minimum`; None as default means no limit."""

    def read(raw: Any) -> int:
        if isinstance(raw, bool) or (isinstance(raw, float) and not raw.is_integer()):
            raise ValueError
        number = int(raw)
        if number < minimum:
            raise ValueError
        return number

    return ParameterSpec(name, default, read, f"a whole number of at least {minimum}")


def flag(name: str, default: bool) -> ParameterSpec:
    """A parameter that is true or false."""

    def read(raw: Any) -> bool:
        if isinstance(raw, bool):
            return raw
        if isinstance(raw, str) and raw.lower() in ("true", "false"):
            return raw.lower() == "true"
        raise ValueError

    return ParameterSpec(name, default, read, "true or false")


def one_of(name: str, default: str | None, allowed: Sequence[str]) -> ParameterSpec:
    """A parameter that is one of a few words."""

    def read(raw: Any) -> str:
        if isinstance(raw, str) and raw in allowed:
            return raw
        raise ValueError

    return ParameterSpec(name, default, read, f"one of {', '.join(allowed) or '(none defined by this model)'}")


def text_list(name: str, default: tuple[str, ...] | None) -> ParameterSpec:
    """A parameter that is a list of words: a JSON array, or words separated by commas; empty words are dropped."""

    def read(raw: Any) -> tuple[str, ...]:
        if isinstance(raw, list | tuple):
            words = list(raw)
        elif not isinstance(raw, str):
            raise TypeError
        elif raw.lstrip().startswith("["):
            words = json.loads(raw)  # its JSONDecodeError is a ValueError
        else:
            words = [word.strip() for word in raw.split(",") if word.strip()]
        if not all(isinstance(word, str) for word in words):
            raise ValueError
        return tuple(words)

    return ParameterSpec(name, default, read, "a JSON array of strings, or words separated by commas,")


def text(name: str, default: str | None) -> ParameterSpec:
    """A parameter that is any string."""

    def read(raw: Any) -> str:
        if not isinstance(raw, str):
            raise TypeError
        return raw

    return ParameterSpec(name, default, read, "a string")
