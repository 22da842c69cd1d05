"""Which models stop first: those before others of which they still have answers to get, as ensembles of their parts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, runtime_checkable

from naiad.serving.model import ServedModel


@runtime_checkable
class Asking(Protocol):
    """What a model may be besides: one that asks others of the server while it answers."""

    asked: Collection[str]
    """Their names."""


def dependents_first(models: Sequence[ServedModel]) -> list[ServedModel]:
    """Order models so that each comes behind those that ask it; otherwise as they were."""
    by_name: dict[str, list[ServedModel]] = {}
    for model in models:
        by_name.setdefault(model.name, []).append(model)
    ordered: list[ServedModel] = []
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        for model in by_name.get(name, ()):
            for part in sorted(_asked_by(model)):
                visit(part)
        ordered.extend(reversed(by_name.get(name, ())))

    for model in reversed(models):
        visit(model.name)
    return ordered[::-1]


def _asked_by(model: ServedModel) -> Collection[str]:
    if isinstance(model, Asking):
        return model.asked
    return () if model.config.ensemble is None else model.config.ensemble.models
