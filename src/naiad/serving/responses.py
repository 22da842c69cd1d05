"""What a decoupled model answers one request with: any number of responses, then the end, exactly once.

Keeps the rules of `naiad.serving.model` and the statistics of each response. Owned by the event loop's thread; a model
that makes responses elsewhere hands them over first.
"""

from __future__ import annotations

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import Cancelled, NaiadError
from naiad.core.message import Answer, InferRequest, InferResponse, Respond
from naiad.observe.statistics import ModelStatistics


class Responses:
    """Of one request."""

    __slots__ = ("_clock", "_count", "_request", "_respond", "_since_s", "_statistics", "_version")

    def __init__(
        self,
        request: InferRequest,
        respond: Respond,
        statistics: ModelStatistics,
        clock: Clock = monotonic,
    ) -> None:
        """Begin when the model takes the request up: the first response's time counts from here."""
        self._request = request
        self._respond: Respond | None = respond
        self._statistics = statistics
        self._version = statistics.version
        self._clock = clock
        self._since_s = clock()
        self._count = 0

    @property
    def is_over(self) -> bool:
        """Whether the last answer has been given; what is sent now is ignored."""
        return self._respond is None

    def send(self, answer: Answer, *, is_last: bool = False, computed_s: float = 0.0) -> None:
        """Give one response or error. computed_s: when the model had it, by the clock; 0 = now."""
        respond = self._end() if is_last else self._respond
        if respond is None:
            return
        if isinstance(answer, InferResponse):
            answer.id, answer.model_version = self._request.id, self._version
        computed_s = computed_s or self._clock()
        infer_s, self._since_s = computed_s - self._since_s, computed_s
        respond(answer, is_last)
        now = self._clock()
        outcome = "fail" if isinstance(answer, NaiadError) else "success"
        self._statistics.record_response(self._count, outcome, infer_s, now - computed_s)
        self._since_s = now
        self._count += 1

    def end(self) -> None:
        """Say that there are no more, where that was not known with the last one."""
        respond = self._end()
        if respond is None:
            return
        self._statistics.record_response(self._count, "empty_response", self._clock() - self._since_s)
        respond(InferResponse(self._request.model_name, "", [], self._request.id, is_empty=True), True)

    def cancel(self) -> None:
        """Answer with Cancelled, as the last; what the model still sends is ignored."""
        respond = self._end()
        if respond is None:
            return
        self._statistics.record_response(self._count, "cancel", self._clock() - self._since_s)
        respond(Cancelled("the request was cancelled"), True)

    def _end(self) -> Respond | None:
        respond, self._respond = self._respond, None
        return respond
