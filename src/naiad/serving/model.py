"""What the engine needs of anything it can send a request to: plain tensors, text, later ensembles and functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from naiad.core.message import InferRequest
from naiad.core.model.config import ModelConfig
from naiad.observe.statistics import ModelStatistics

if TYPE_CHECKING:
    from naiad.serving.response_sender import ResponseSender


class ServedModel(Protocol):
    """One loaded version of one model."""

    name: str
    version: str
    config: ModelConfig
    statistics: ModelStatistics
    labels: Mapping[str, Sequence[str]]
    """By output name, for classification."""
    has_rows: bool
    """The first dimension of its outputs counts batch elements, for classification."""

    def submit(self, request: InferRequest, sender: ResponseSender) -> None:
        """Check, queue and run a request; answers go to the sender, possibly before this returns.

        Raises NaiadError instead of answering when the request is refused at once. Called on the loop's thread; the
        sender is told on that thread, too.
        """
        ...

    async def drain(self) -> None:
        """Take no more requests; return when all have been answered."""
        ...

    def close(self) -> None:
        """Release what the model holds; blocks."""
        ...
