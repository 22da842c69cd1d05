"""What a model sends its answers by when it does not return them."""

from __future__ import annotations

from typing import Any

from .response import InferenceResponse


class InferenceResponseSender:
    """The sender of one request; may be used from any thread, also after `execute` has returned."""

    def __init__(self, stream: Any, request: Any) -> None:
        self._stream = stream
        self._request = request

    def send(self, response: InferenceResponse | None = None, flags: int = 0) -> None:
        """Send an answer; flags: TRITONSERVER_RESPONSE_COMPLETE_FINAL with the last, or alone after it.

        Raises TritonModelException for an answer that may not be sent now.
        """
        self._stream.send(response, flags)

    def is_cancelled(self) -> bool:
        """Whether nobody waits for the answers any more."""
        return bool(self._stream.is_withdrawn)
