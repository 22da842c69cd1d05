"""config.json read in the spelling and with the defaults of its family; every value is checked as it is read.

Not here: which values there are. Those that every encoder has stand in `dimensions.py`; a body reads its own options.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.convert.encoder.architectures import EXPORT, find_architecture
from naiad.convert.encoder.families.architecture import ACTIVATIONS, DEFAULTS
from naiad.core.errors import InvalidConfiguration, Unsupported
from naiad.core.json_values import LARGEST, is_number, is_whole, shown


class Config:
    """One config.json and the family that it belongs to."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        """Raises Unsupported for a family that is not known."""
        self.content = content
        self.family = find_architecture(content)

    def integer(self, name: str, least: int = 1, most: int = LARGEST) -> int:
        """A whole number by our name. Raises InvalidConfiguration."""
        key, value = self.entry(name)
        if not is_whole(value) or value < least:
            raise InvalidConfiguration(f"config.json: {key} is {shown(value)}, not a whole number of at least {least}")
        if value > most:
            raise InvalidConfiguration(f"config.json: {key} is {shown(value)}, more than {most}, the most there can be")
        return value

    def number(self, name: str) -> float:
        """A number that is neither negative nor infinite. Raises InvalidConfiguration."""
        key, value = self.entry(name)
        if not is_number(value) or value < 0:
            raise InvalidConfiguration(f"config.json: {key} is {shown(value)}, not a number of at least 0")
        return float(value)

    def flag(self, name: str) -> bool:
        """True or false. Raises InvalidConfiguration."""
        key, value = self.entry(name)
        if not isinstance(value, bool):
            raise InvalidConfiguration(f"config.json: {key} is {shown(value)}, neither true nor false")
        return value

    def choice(self, name: str, known: Mapping[str, str]) -> str:
        """What one of the known words means to us. Raises Unsupported for another one."""
        key, value = self.entry(name)
        if not isinstance(value, str) or value not in known:
            raise Unsupported(
                f"config.json: {key}={shown(value)} is not converted by Naiad itself; "
                f"known: {', '.join(known)}; {EXPORT}",
                option=key,
            )
        return known[value]

    def activation(self, name: str = "hidden_act") -> str:
        """One of the values of ACTIVATIONS. Raises Unsupported for a function that is not known."""
        return self.choice(name, {**ACTIVATIONS, **self.family.gates})

    @property
    def gates(self) -> bool:
        """Whether the feed-forward is gated in a family that has a gate."""
        return not self.family.gates or str(self.entry("hidden_act")[1]) in self.family.gates

    def refuse(self, harmless: Mapping[str, tuple[object, ...]]) -> None:
        """Raise Unsupported if an option is set to a value that the graph does not compute.

        harmless: by the option's name in config.json, the values under which the graph is right.
        """
        for option, values in harmless.items():
            if self.content.get(option) not in values:
                raise Unsupported(
                    f"config.json: {option}={shown(self.content[option])} is not converted by Naiad itself; {EXPORT}",
                    option=option,
                )

    def entry(self, name: str) -> tuple[str, Any]:
        """The key in config.json for our name, and its value or the family's default; None without either."""
        spelled = self.family.spelling.get(name, name)
        keys = (spelled,) if isinstance(spelled, str) else spelled
        for key in keys:
            if self.content.get(key) is not None:
                return key, self.content[key]
        return keys[0], self.family.defaults.get(name, DEFAULTS.get(name))
