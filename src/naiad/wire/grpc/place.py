"""Where a request stands in its stream."""

from __future__ import annotations

from collections import deque

from naiad.core.message import Answer
from naiad.serving.model import Cancel


class Place:
    """A request of a stream: under way, and perhaps one in the line of those that are answered in order."""

    __slots__ = ("answers", "cancel", "is_done", "is_in_line", "model_name", "request_id", "wants_empty_final")

    def __init__(self, model_name: str, request_id: str, is_in_line: bool) -> None:
        self.model_name = model_name
        self.request_id = request_id
        self.is_in_line = is_in_line
        """Whether it waits for those before it; requests to decoupled models do not."""
        self.wants_empty_final = False
        self.answers: deque[tuple[Answer, bool]] = deque()
        """Answers whose turn has not come."""
        self.is_done = False
        """The last answer is there."""
        self.cancel: Cancel | None = None
