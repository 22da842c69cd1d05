"""A token that cannot be printed by mistake."""

from __future__ import annotations

import os

from naiad.core.errors import InvalidConfiguration


class Secret:
    """Holds a text that neither str() nor repr() nor a traceback's f-string gives away."""

    __slots__ = ("_value", "origin")

    def __init__(self, value: str, origin: str) -> None:
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise InvalidConfiguration(
                f"the token from {origin} is empty or has characters that no token has", origin=origin
            )
        self._value = value
        self.origin = origin
        """Where it came from, for messages: the name of a variable."""

    def reveal(self) -> str:
        """The text itself; for the call that needs it and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return f"<token from {self.origin}>"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a token is not pickled")


def secret_from_environment(variable: str) -> Secret:
    """The token in an environment variable. Raises InvalidConfiguration if it is not set."""
    value = os.environ.get(variable, "").strip()
    if not value:
        raise InvalidConfiguration(
            f"token_env names the environment variable {variable}, which is not set; export it, or leave token_env out "
            "for public models",
            variable=variable,
        )
    return Secret(value, f"${variable}")
