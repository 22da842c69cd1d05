"""Errors of models: one for a single request, one for a whole batch."""

from __future__ import annotations


class TritonModelException(Exception):
    """Raised by model code to fail all requests of a batch, and by these classes for what they cannot do."""


class TritonError:
    """Why one request failed: what an InferenceResponse carries in place of outputs."""

    UNKNOWN = 0
    INTERNAL = 1
    NOT_FOUND = 2
    INVALID_ARG = 3
    UNAVAILABLE = 4
    UNSUPPORTED = 5
    ALREADY_EXISTS = 6
    CANCELLED = 7

    def __init__(self, message: str, code: int = INTERNAL) -> None:
        """Raises TypeError for a message that is no text, ValueError for a code that is none of these."""
        if not isinstance(message, str):
            raise TypeError(f"the message of a TritonError must be a str, not {type(message).__name__}")
        if code not in range(8):
            raise ValueError(f"{code!r} is no error code; use TritonError.INTERNAL or one of its like")
        self._message = message
        self._code = int(code)

    def message(self) -> str:
        """Return the text."""
        return self._message

    def code(self) -> int:
        """Return the code."""
        return self._code

    def __repr__(self) -> str:
        return f"TritonError({self._message!r}, code={self._code})"
