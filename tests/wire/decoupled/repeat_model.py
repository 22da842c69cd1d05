"""A decoupled model for tests: answers with each of its input's values, one response for each.

Request parameters: `error_at` = number of the response that is an error instead; `end_with_last` = the last response
carries the final flag itself; `held` = one response more for each call of `step`.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator

import numpy as np

from naiad.core.errors import ModelFailed
from naiad.core.message import Answer, InferRequest, InferResponse
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.tensor import Tensor
from naiad.observe.statistics import ModelStatistics
from naiad.serving.response_sender import ResponseSender
from naiad.serving.validation import RequestCheck

DOCUMENT = {
    "name": "repeat",
    "input": [{"name": "IN", "data_type": "TYPE_INT32", "dims": [-1]}],
    "output": [{"name": "OUT", "data_type": "TYPE_INT32", "dims": [1]}],
    "model_transaction_policy": {"decoupled": True},
}


class Repeat:
    """A ServedModel; with another name and decoupled=False one that breaks its promise of one answer."""

    version = "1"

    def __init__(self, name: str = "repeat", *, decoupled: bool = True) -> None:
        self.name = name
        self.config = ModelConfig(
            name,
            inputs=(TensorConfig("IN", "INT32", (-1,)),),
            outputs=(TensorConfig("OUT", "INT32", (1,)),),
            is_decoupled=decoupled,
            document=DOCUMENT | {"name": name, "model_transaction_policy": {"decoupled": decoupled}},
        )
        self.statistics = ModelStatistics(name, "1")
        self.labels: dict[str, list[str]] = {}
        self.has_rows = False
        self.seen: list[InferRequest] = []
        self.held: dict[str, Iterator[None]] = {}
        self.arrived: queue.SimpleQueue[str] = queue.SimpleQueue()
        """Ids of held requests; `cancelled` those that were withdrawn."""
        self.cancelled: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._check = RequestCheck(self.config)

    def submit(self, request: InferRequest, sender: ResponseSender) -> None:
        self._check.rows(request)
        self.seen.append(request)
        sender.on_cancel = lambda: self.cancelled.put(request.id)
        steps = self._steps(request, sender)
        if request.parameters.get("held"):
            self.held[request.id] = steps
            self.arrived.put(request.id)
        else:
            for _ in steps:
                pass

    def _steps(self, request: InferRequest, sender: ResponseSender) -> Iterator[None]:
        values = request.inputs["IN"].data.tolist()
        for at, value in enumerate(values):
            answer: Answer = InferResponse(self.name, "", [Tensor("OUT", "INT32", np.array([value], np.int32))])
            if request.parameters.get("error_at") == at:
                answer = ModelFailed("broken")
            is_last = bool(request.parameters.get("end_with_last")) and at == len(values) - 1
            sender.send(answer, is_last)
            yield
        sender.send(None)

    async def step(self, identity: str) -> None:
        """Let a held request give its next response, or the end."""
        next(self.held[identity], None)

    async def drain(self) -> None:
        pass

    def close(self) -> None:
        pass
