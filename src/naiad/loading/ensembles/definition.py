"""What is known of an ensemble without its parts; made in a thread, from its folder or from what a program says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from naiad.core.model.config import ModelConfig
from naiad.observe.statistics import ModelStatistics


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of one ensemble."""

    config: ModelConfig
    version: str
    statistics: Callable[[ModelConfig, str], ModelStatistics] = field(compare=False)
    """Makes them, anew whenever the ensemble is made anew."""
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Of its own files, by output."""
    outputs: tuple[str, ...] | None = None
    """Names of tensors; with them, even none, the configuration has only steps, and the rest follows from the parts."""

    @property
    def name(self) -> str:
        """The name of the ensemble."""
        return self.config.name

    @property
    def parts(self) -> frozenset[str]:
        """The names of the models that it is made of."""
        assert self.config.ensemble is not None
        return self.config.ensemble.models
