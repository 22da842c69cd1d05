"""Poll mode: what the folders offered at the last look, what they offer now, and what follows from the difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from naiad.loading.sources import Survey
from naiad.repository import Signature

Seen = tuple[tuple[str, Signature], ...]
"""Each place where a model of that name lies, and how its files are."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What to do, by name of the model."""

    load: tuple[str, ...] = ()
    """New, or not as they were."""
    unload: tuple[str, ...] = ()
    """Gone."""


def look(survey: Survey) -> dict[str, Seen]:
    """Say how every model's files are now. Blocks."""
    return {name: tuple((str(origin), origin.state) for origin in origins) for name, origins in survey.origins.items()}


def decide_changes(before: Mapping[str, Seen], now: Mapping[str, Seen]) -> Changes:
    """Compare two looks. A model that could not be loaded is tried again when its files change, not before."""
    return Changes(
        load=tuple(name for name, seen in now.items() if before.get(name) != seen),
        unload=tuple(name for name in before if name not in now),
    )
