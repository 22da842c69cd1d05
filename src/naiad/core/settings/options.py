"""How an option of the server is declared: once, on the field of the settings that holds its value.

The field declares the option's name; flag, environment variable, `--help` and the reference follow from that name and
not from where the field stands, so that settings can be composed without changing anybody's scripts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from typing import Any, Self

from naiad.core.errors import InvalidConfiguration


@dataclass(frozen=True, slots=True)
class Option:
    """What is known about an option."""

    name: str
    """`http_port` is the flag --http-port and the variable NAIAD_HTTP_PORT."""
    default: Any
    """Its type is the option's; one whose default is a tuple can be given more than once."""
    help: str
    group: str
    """Section of `--help`."""
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """The command-line flag."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "NAIAD_" + self.name.upper()

    def check(self, value: Any) -> None:
        """Raise InvalidConfiguration for a value that is not allowed."""
        if (self.least is not None and value < self.least) or (self.most is not None and value > self.most):
            raise InvalidConfiguration(f"{self.flag} must {self._allowed()}, not {value}")
        if self.choices and value not in self.choices:
            raise InvalidConfiguration(f"{self.flag} must be one of {', '.join(self.choices)}, not '{value}'")

    def _allowed(self) -> str:
        if self.most is not None:
            return f"be between {self.least} and {self.most}"
        return f"be at least {self.least}" if self.least else "not be negative"


def option(
    name: str,
    default: Any,
    help_text: str,
    *,
    group: str = "General",
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    is_secret: bool = False,
) -> Any:
    """Declare an option as the field of a settings class. least and most are themselves allowed."""
    declared = Option(name, default, help_text, group, least, most, choices)
    return field(default=default, metadata={"option": declared}, repr=not is_secret)


def limit(name: str, default: float, help_text: str) -> Any:
    """Declare a bound, which can be moved but not removed."""
    return option(name, default, help_text, group="Limits", least=1 if isinstance(default, int) else 0.01)


@dataclass(frozen=True, slots=True)
class Settings:
    """Options that belong together, and parts that are settings themselves; values are checked when one is made."""

    def __post_init__(self) -> None:
        for one in fields(self):
            if "option" in one.metadata:
                one.metadata["option"].check(getattr(self, one.name))

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Return the settings from flat names, as the flags have them: `ServerSettings.of(http_port=0)`."""
        unknown = sorted(values.keys() - {option.name for option in cls.options()})
        if unknown:
            raise TypeError(f"there is no option {', '.join(unknown)}")
        given: dict[str, Any] = {}
        for one in fields(cls):
            part = _part(one)
            if part is not None:
                names = {option.name for option in part.options()}
                given[one.name] = part.of(**{name: value for name, value in values.items() if name in names})
            elif "option" in one.metadata and one.metadata["option"].name in values:
                given[one.name] = values[one.metadata["option"].name]
        return cls(**given)

    def values(self) -> dict[str, Any]:
        """Return the values by flat names; the inverse of `of`."""
        values: dict[str, Any] = {}
        for one in fields(self):
            if _part(one) is not None:
                values |= getattr(self, one.name).values()
            elif "option" in one.metadata:
                values[one.metadata["option"].name] = getattr(self, one.name)
        return values

    @classmethod
    def options(cls) -> Iterator[Option]:
        """Give every option, those of a part where the part stands."""
        for one in fields(cls):
            part = _part(one)
            if part is not None:
                yield from part.options()
            elif "option" in one.metadata:
                yield one.metadata["option"]


def _part(one: Field[Any]) -> type[Settings] | None:
    kind = one.default_factory
    return kind if isinstance(kind, type) and issubclass(kind, Settings) else None
