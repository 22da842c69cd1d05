"""Models that are loaded and still cannot answer for a while: those whose workers have ended, or that say so."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from naiad.serving.model import ServedModel


@runtime_checkable
class ReportsReadiness(Protocol):
    """What a model may be besides."""

    @property
    def is_ready(self) -> bool:
        """Whether it can answer now; never blocks."""
        ...


def can_answer(model: ServedModel) -> bool:
    """Whether a model that is loaded can answer now."""
    return not isinstance(model, ReportsReadiness) or model.is_ready
