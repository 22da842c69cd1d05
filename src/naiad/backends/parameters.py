"""What the backends without a model file have in common: parameters that are whole numbers, and bounds."""

from __future__ import annotations

from collections.abc import Mapping

from naiad.core.errors import LoadFailed

MOST_S = 3600.0
"""Who waits longer than an hour does not try anything out."""

MOST_ANSWERS = 10_000
"""To one request of a stream; each is a message of its own, and a row in the statistics."""

UNDER_WAY = 64
"""Batches that a streaming instance answers at the same time; each has a thread."""


def whole_number(model: str, parameters: Mapping[str, str], key: str) -> int:
    """Read a parameter of a model; 0 where it is not given. Raises LoadFailed naming the one that is wrong."""
    text = parameters.get(key, "0").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise LoadFailed(f"model '{model}': parameter '{key}' must be a whole number, not '{text[:40]}'", model=model)
    return int(text)


def check_delay(model: str, what: str, seconds: float) -> None:
    """Raise LoadFailed for a delay that nobody can mean."""
    if seconds > MOST_S:
        raise LoadFailed(
            f"model '{model}': parameter '{what}' makes a delay of {seconds:g} s; up to {MOST_S:g} s are allowed",
            model=model,
        )
