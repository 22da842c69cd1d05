"""Where the reading of a request stands, and how it ends before its time."""

from __future__ import annotations

from enum import Enum, auto


class Part(Enum):
    """Which part of a request is read next."""

    BETWEEN = auto()
    """There is no request in hand."""
    HEAD = auto()
    BODY = auto()
    UPGRADE = auto()
    """The head asks for another protocol; it is read once more without that."""


class Refusal(Exception):
    """A request that will not be read to its end; carries the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
