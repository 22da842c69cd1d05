"""A sender whose model and door are the test."""

from __future__ import annotations

from typing import Any

from naiad.core.message import Answer, InferRequest
from naiad.core.model.config import ModelConfig
from naiad.observe.statistics import ModelStatistics
from naiad.observe.trace.tracing import Tracing
from naiad.serving.response_sender import ResponseSender
from naiad.serving.worker import Worker


class Model:
    """A ServedModel that answers when the test says so."""

    name, version = "m", "1"

    def __init__(self, *, decoupled: bool = False) -> None:
        self.config = ModelConfig("m", is_decoupled=decoupled)
        self.statistics = ModelStatistics("m", "1")
        self.labels: dict[str, list[str]] = {}
        self.has_rows = False

    def submit(self, request: InferRequest, sender: ResponseSender) -> None:
        pass

    async def drain(self) -> None:
        pass

    def close(self) -> None:
        pass


class Asked:
    """One request, and the answers it got."""

    def __init__(
        self,
        *,
        decoupled: bool = False,
        takes_one: bool = True,
        request: InferRequest | None = None,
        tracing: Tracing | None = None,
        **fields: Any,
    ) -> None:
        self.answers: list[tuple[Answer, bool]] = []
        self.model = Model(decoupled=decoupled)
        request = request or InferRequest("m", **fields)
        self.worker = Worker()
        self.sender = ResponseSender(
            self.model, request, self.deliver, tracing or Tracing(), self.worker, takes_one=takes_one
        )
        self.cancelled = 0
        self.sender.on_cancel = self._count_cancel

    def deliver(self, answer: Answer, is_final: bool) -> None:
        self.answers.append((answer, is_final))

    @property
    def kinds(self) -> list[tuple[type, bool]]:
        return [(type(answer), is_final) for answer, is_final in self.answers]

    def _count_cancel(self) -> None:
        self.cancelled += 1
