"""What may be said of a model besides its tensors, by PyTriton's names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from naiad.compat.pytriton.exceptions import PyTritonBadParameterError
from naiad.compat.pytriton.model_config.common import DynamicBatcher, ModelWarmup


@dataclass
class ModelConfig:
    """How a function is served."""

    batching: bool = True
    """Tensors have a batch dimension, and requests may share a batch."""
    max_batch_size: int = 4
    batcher: DynamicBatcher = field(default_factory=DynamicBatcher)
    response_cache: bool = False
    decoupled: bool = False
    """The function yields any number of answers."""
    model_warmup: Sequence[ModelWarmup] | None = None

    def options(self) -> dict[str, Any]:
        """The options of `naiad.Server.bind`. Raises PyTritonBadParameterError."""
        if self.batching and self.max_batch_size < 1:
            raise PyTritonBadParameterError("The `max_batch_size` must be greater or equal to 1.")
        config: dict[str, Any] = {}
        if self.batching and isinstance(self.batcher, DynamicBatcher):
            config["dynamic_batching"] = self.batcher.document()
        if self.response_cache:
            config["response_cache"] = {"enable": True}
        samples = [one for sample in self.model_warmup or () for one in sample.requests(batching=self.batching)]
        return {
            "max_batch_size": self.max_batch_size if self.batching else 0,
            "decoupled": self.decoupled,
            "config": config,
            "warmup": tuple(samples),
        }
