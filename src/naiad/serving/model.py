"""What the engine needs of anything it can send a request to: plain tensors, text, later ensembles and functions.

How many answers: a model answers a request once, with `is_last` true. One whose `config.is_decoupled` is true may
answer any number of times, none included, and requests in any order: `is_last` is then true with the last answer, or
with a response that `is_empty` when it turns out only later that there are no more. Errors may stand between answers;
the request goes on after them unless they are the last. Doors that take one answer only refuse decoupled models, or
make of several an error (`naiad.serving.single`). `naiad.serving.responses` keeps these rules for a model.
"""

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

        How many answers there may be is said above. Raises NaiadError instead of answering when the request is
        refused at once.
        """
        ...

    async def drain(self) -> None:
        """Take no more requests; return when all have been answered."""
        ...

    def close(self) -> None:
        """Release what the model holds; blocks."""
        ...
