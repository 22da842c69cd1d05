"""A private pool of protobuf messages, and the class of each.

Private, because the default pool would refuse to hold ours beside the same ones of another package in one process.
protobuf is imported on first use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from threading import Lock
from typing import Any, NamedTuple


class _Made(NamedTuple):
    pool: Any
    classes: dict[str, Any]


class PrivatePool:
    """Made when it is first asked, by whoever comes first.

    make: gives the DescriptorPool, and the names of the files in it.
    """

    def __init__(self, make: Callable[[], tuple[Any, list[str]]]) -> None:
        self._make = make
        self._lock = Lock()

    @property
    def descriptors(self) -> Any:
        """The DescriptorPool."""
        return self._all().pool

    @property
    def classes(self) -> dict[str, Any]:
        """The class of every message, nested ones included, by full name."""
        return self._all().classes

    def _all(self) -> _Made:
        """All classes at once, and kept.

        protobuf makes the class of an inner message when one is first met, drops it with the last of them, and crashes
        the process when two threads do so at the same time.
        """
        with self._lock:
            return self._made

    @cached_property
    def _made(self) -> _Made:
        pool, names = self._make()
        return _Made(pool, dict(_classes(pool, names)))


def _classes(pool: Any, names: list[str]) -> Iterator[tuple[str, Any]]:
    from google.protobuf import message_factory

    waiting = [message for name in names for message in pool.FindFileByName(name).message_types_by_name.values()]
    while waiting:
        message = waiting.pop()
        waiting += message.nested_types
        yield message.full_name, message_factory.GetMessageClass(message)
