"""A generator as an instance: its batches are under way together, and take turns in which one step is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from naiad.core.clock import monotonic
from naiad.core.contracts import Batch, Send
from naiad.core.errors import ModelFailed
from naiad.core.machine.turnstile import Turnstile
from naiad.core.message import InferRequest
from naiad.functions.calling.limited import Limit
from naiad.functions.calling.plain import note_mistake
from naiad.functions.calling.results import Results
from naiad.functions.context import FunctionModel, serving
from naiad.functions.request import Request

UNDER_WAY = 64
"""Batches that one instance answers at the same time."""

_END = object()


class GeneratorInstance:
    """One copy of a function that yields lists of answers, one answer for each request of the batch.

    A yield may have None for a request that gets nothing this time. No two steps of one instance run at once, as the
    function was written for one thread. One that returns a list answers each request once.
    """

    capacity = UNDER_WAY

    def __init__(
        self, function: Callable[..., Any], model: FunctionModel, results: Results, limit_s: float = 0.0
    ) -> None:
        """limit_s: what one step may take; 0: as long as it takes."""
        self._function = function
        self._model = model
        self._results = results
        self._limit = Limit(model.name, limit_s)
        self._turns = Turnstile()

    def execute(self, batch: Batch[InferRequest], send: Send) -> None:
        """Pass on what the generator yields; when nobody waits any more, it is closed."""
        steps = self._begin(batch)
        waiting = set(range(len(batch.items)))
        try:
            while waiting and (returned := self._step(steps)) is not _END:
                batch.output_ready_s = batch.output_ready_s or monotonic()
                for number, answer in enumerate(self._results.answers(batch.items, returned)):
                    if answer is not None and number in waiting and not send(number, answer, False):
                        waiting.discard(number)
        except ModelFailed as error:
            note_mistake(error, batch.items[:1])
            raise
        finally:
            close = getattr(steps, "close", None)
            if close is not None:
                with self._turns.passed(_always), serving(self._model), suppress(ValueError):  # it hangs in a step
                    close()
        batch.output_ready_s = batch.output_ready_s or monotonic()
        for number in range(len(batch.items)):
            send(number, None, True)

    def close(self) -> None:
        """End the thread of limited steps; the function is the program's."""
        self._limit.close()

    def _begin(self, batch: Batch[InferRequest]) -> Iterator[Any]:
        requests = [Request.of(item) for item in batch.items]
        batch.input_ready_s = monotonic()
        with self._turns.passed(_always), serving(self._model):
            returned = self._limit.call(self._function, requests)
        return iter([returned]) if isinstance(returned, list | tuple) else iter(returned)

    def _step(self, steps: Iterator[Any]) -> Any:
        with self._turns.passed(_always), serving(self._model):
            return self._limit.call(next, steps, _END)


def _always() -> bool:
    return True
