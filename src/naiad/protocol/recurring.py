"""What is kept of requests that come again: bounded, and emptied when full, so that no client can fill it for good."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

MOST_KEPT = 512
"""Entries of each kind; with keys of at most 4 KiB, that is 2 MiB."""

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recurring(dict[Key, Value], Generic[Key, Value]):
    """Values by key; only what comes a second time is worth one."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[Key] = set()
        """Came once."""

    def is_first(self, key: Key) -> bool:
        """Whether a key comes the first time, as far as is remembered."""
        if key in self.seen:
            self.seen.discard(key)
            return False
        if len(self.seen) >= MOST_KEPT:
            self.seen.clear()
        self.seen.add(key)
        return True

    def keep(self, key: Key, value: Value) -> None:
        """Remember a value."""
        if len(self) >= MOST_KEPT and key not in self:
            self.clear()
        self[key] = value
