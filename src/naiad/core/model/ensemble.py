"""What an ensemble is: steps, each of which runs a model, and tensors that go from one to the next.

An ensemble tensor has one name in the ensemble and another one in each model that it leaves or enters; the maps of a
step say which. `naiad.modelconfig.ensemble` makes these, `naiad.serving.ensemble` runs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from naiad.core.model.condition import When


@dataclass(frozen=True, slots=True)
class Step:
    """One run of one model, as soon as there is all that it reads."""

    model: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Input of the model → ensemble tensor."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Output of the model → ensemble tensor."""
    version: str = ""
    """Empty: the highest that is ready."""
    when: When | None = None
    """None: always."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The ensemble tensors that it waits for, each once."""
        condition = (self.when.tensor,) if self.when is not None and self.when.tensor else ()
        return tuple(dict.fromkeys((*self.inputs.values(), *condition)))


@dataclass(frozen=True, slots=True)
class Ensemble:
    """The steps of one ensemble, in the order in which they are written, which means nothing."""

    steps: tuple[Step, ...]
    max_inflight_requests: int = 0
    """Runs of one step that may be under way at the same time, of all requests together; 0 = no limit."""

    @property
    def models(self) -> frozenset[str]:
        """The names of the models that it is made of."""
        return frozenset(step.model for step in self.steps)
