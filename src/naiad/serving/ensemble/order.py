"""Which models stop first: ensembles before their parts, of which they still have answers to get."""

from __future__ import annotations

from collections.abc import Sequence

from naiad.serving.model import ServedModel


def dependents_first(models: Sequence[ServedModel]) -> list[ServedModel]:
    """Order models so that each comes behind the ensembles that it is a part of; otherwise as they were."""
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
            for part in sorted(model.config.ensemble.models if model.config.ensemble is not None else ()):
                visit(part)
        ordered.extend(reversed(by_name.get(name, ())))

    for model in reversed(models):
        visit(model.name)
    return ordered[::-1]
