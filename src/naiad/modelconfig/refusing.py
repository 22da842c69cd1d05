"""How a rule refuses a configuration."""

from __future__ import annotations

from typing import NoReturn

from naiad.core.errors import InvalidConfiguration


def refuse(model: str, reason: str, hint: str = "") -> NoReturn:
    """Raise InvalidConfiguration. reason: a sentence with the model's name; hint: what is there, or what to do."""
    raise InvalidConfiguration(f"{reason}; {hint}" if hint else reason, model=model)
