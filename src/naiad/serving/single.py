"""For callers that can take only one answer: makes one of whatever number a model gives.

Source: Triton, which counts the responses of a request and fails it unless there is exactly one.
"""

from __future__ import annotations

from naiad.core.errors import Failed
from naiad.core.message import Answer, InferResponse

_WRONG_NUMBER = "expected a single response, got %d"
NO_ANSWER = _WRONG_NUMBER % 0


class SingleAnswer:
    """Collects the answers of one request.

    Most requests never need it: a first answer that is also the last, and no empty one, is the single answer.
    """

    __slots__ = ("_count", "_first")

    def __init__(self) -> None:
        self._count = 0
        self._first: Answer | None = None

    @property
    def has_wrong_number(self) -> bool:
        """Whether there is not exactly one answer so far."""
        return self._count != 1

    def take(self, answer: Answer, is_last: bool) -> Answer | None:
        """Return the one answer once the last has come, else None; Failed when there were more or none."""
        if not isinstance(answer, InferResponse) or not answer.is_empty:
            self._count += 1
            self._first = self._first or answer
        if not is_last:
            return None
        if self._count == 1:
            return self._first
        return Failed(_WRONG_NUMBER % self._count, responses=self._count)
