"""Taking keys out of a document that a person wrote: types checked, unknown keys refused with a suggestion.

Knows where each value stands (`naiad.yaml line 7`), so that an error leads to the place; no file format lives here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.core.nearest import did_you_mean

Path = tuple[str | int, ...]

LIKENESS = 0.5
"""Of a key and the one that was meant: `rev` means `revision`."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a value stands in its file."""

    file: str
    path: Path = ()
    lines: Mapping[Path, int] | None = None
    """Line numbers by path, where the format gives them."""

    def at(self, key: str | int) -> Position:
        """The place one key further in."""
        return Position(self.file, (*self.path, key), self.lines)

    def __str__(self) -> str:
        line = (self.lines or {}).get(self.path)
        keys = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.path).lstrip(".")
        return self.file + (f" line {line}" if line else "") + (f", {keys}" if keys else "")

    def refuse(self, problem: str) -> InvalidConfiguration:
        """The error to raise about this place."""
        return InvalidConfiguration(f"{self}: {problem}", file=self.file)


class Fields:
    """The keys of one mapping, each taken once."""

    def __init__(
        self, document: object, place: Position, known: Iterable[str], elsewhere: Mapping[str, str] | None = None
    ) -> None:
        """elsewhere: by keys of other systems, what to do instead."""
        if not isinstance(document, Mapping):
            raise place.refuse(f"must be a mapping of keys to values, not {_kind(document)}")
        self._document, self.place = document, place
        known = tuple(known)
        for key in document:
            if key not in known and elsewhere and key in elsewhere:
                raise place.at(str(key)).refuse(f"there is no key '{key}' here: {elsewhere[key]}")
            if key not in known:
                fix = did_you_mean(str(key), known, f"; known are {', '.join(known)}", LIKENESS)
                raise place.at(str(key)).refuse(f"unknown key '{key}'{fix}")

    def text(self, key: str, default: str | None = None) -> str:
        """A string; without a default it must be there and not be empty."""
        value = self._document.get(key)
        if value is None and default is not None:
            return default
        if value is None:
            raise self.place.refuse(f"'{key}' is missing")
        if not isinstance(value, str):
            # A number is often a revision or name that wants quotes; saying so beats turning 1.10 into "1.1".
            hint = f'; put it in quotes: {key}: "{value}"' if isinstance(value, bool | int | float) else ""
            raise self.place.at(key).refuse(f"must be a string, not {_kind(value)}{hint}")
        if not value and default is None:
            raise self.place.at(key).refuse("is empty")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; one string alone counts as a list of one."""
        value = self._document.get(key)
        if value is None:
            return ()
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(item, str) and item for item in values):
            raise self.place.at(key).refuse(f"must be a list of strings, not {_kind(value)}")
        return tuple(values)

    def flag(self, key: str) -> bool:
        """True or false; false if it is not there."""
        value = self._document.get(key, False)
        if not isinstance(value, bool):
            raise self.place.at(key).refuse(f"must be true or false, not {_kind(value)}")
        return value

    def number(self, key: str) -> float:
        """A number; 0 if it is not there."""
        value = self._document.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.place.at(key).refuse(f"must be a number, not {_kind(value)}")
        return value

    def whole(self, key: str) -> int:
        """A whole number; 0 if it is not there."""
        value = self.number(key)
        if not isinstance(value, int):
            raise self.place.at(key).refuse(f"must be a whole number, not {value}")
        return value

    def mapping(self, key: str) -> Mapping[str, Any]:
        """A mapping, whatever it holds; empty if it is not there."""
        value = self._document.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            raise self.place.at(key).refuse(f"must be a mapping of names to values, not {_kind(value)}")
        return value

    def value(self, key: str) -> object:
        """Whatever is there; None if nothing is."""
        return self._document.get(key)

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self._document

    def items(self, key: str) -> list[Any]:
        """A list with at least one item."""
        value = self._document.get(key)
        if not isinstance(value, list) or not value:
            raise self.place.refuse(f"'{key}' must be a list with at least one item")
        return value


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    names = {bool: "true/false", int: "a number", float: "a number", str: "a text", list: "a list", dict: "a mapping"}
    return names.get(type(value), f"a {type(value).__name__}")
