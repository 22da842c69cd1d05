"""A plain function as an instance: called in the instance's thread, one batch at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from naiad.core.clock import monotonic
from naiad.core.contracts import Batch
from naiad.core.errors import ModelFailed, NaiadError
from naiad.core.message import InferRequest, InferResponse
from naiad.functions.calling.limited import HangingCall, Limit
from naiad.functions.calling.results import Results
from naiad.functions.context import FunctionModel, serving
from naiad.functions.request import Request

_log = logging.getLogger("naiad.functions")


class PlainInstance:
    """One copy of a function that returns all answers at once."""

    def __init__(
        self, function: Callable[..., Any], model: FunctionModel, results: Results, limit_s: float = 0.0
    ) -> None:
        """limit_s: what a call may take; 0: as long as it takes."""
        self._function = function
        self._model = model
        self._results = results
        self._limit = Limit(model.name, limit_s)

    def execute(self, batch: Batch[InferRequest]) -> Sequence[InferResponse | NaiadError]:
        """Call the function with all requests of the batch."""
        requests = [Request.of(item) for item in batch.items]
        batch.input_ready_s = monotonic()
        try:
            with serving(self._model):
                returned = self._limit.call(self._function, requests)
        except HangingCall as error:
            return [error] * len(requests)  # each of them alone would hang again
        batch.output_ready_s = monotonic()
        try:
            return [answer for answer in self._results.answers(batch.items, returned) if answer is not None]
        except ModelFailed as error:
            note_mistake(error, batch.items)
            raise

    def close(self) -> None:
        """End the thread of limited calls; the function is the program's."""
        self._limit.close()


def note_mistake(error: ModelFailed, items: Sequence[InferRequest]) -> None:
    """Tell the operator of a result that cannot be; of several requests each is tried alone, and then is told of."""
    if len(items) == 1:
        _log.error("%s", error.message)
