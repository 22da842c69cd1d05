"""What the engine needs of anything it can send a request to: plain tensors, text, later ensembles and functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from naiad.core.message import InferRequest, Respond
from naiad.core.model_config import ModelConfig
from naiad.observe.statistics import ModelStatistics

Cancel = Callable[[], object]
"""Withdraws a request: it leaves the queue at once and is answered once, with Cancelled; too late = no effect."""


class ServedModel(Protocol):
    """One loaded version of one model."""

    name: str
    version: str
    config: ModelConfig
    statistics: ModelStatistics

    def submit(self, request: InferRequest, respond: Respond) -> Cancel:
        """Check, queue and run a request; answers go to `respond`, on the loop's thread, possibly before this returns.

        Raises NaiadError instead of answering when the request is refused at once.
        """
        ...

    async def drain(self) -> None:
        """Take no more requests; return when all have been answered."""
        ...

    def close(self) -> None:
        """Release what the model holds; blocks."""
        ...
