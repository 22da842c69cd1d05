"""What a model that caches needs of a cache; the smaller implementation is `store.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from naiad.core.clock import Clock
from naiad.core.message import InferResponse
from naiad.observe.cache_statistics import CacheStatistics
from naiad.serving.caching.answer import KeptAnswer
from naiad.serving.caching.key import Keys
from naiad.serving.model import ServedModel

Found = Callable[[KeptAnswer | None], None]
"""Told of what there is; never raises."""


class AnswerCache(Protocol):
    """The answers of all models of a server. Owned by the event loop's thread."""

    statistics: CacheStatistics
    clock: Clock
    is_shared: bool
    """With other servers, who must mean the same by a key."""

    def keys(self, model: ServedModel, contents: bytes | None) -> Keys:
        """Make the keys of a copy of a model. contents: what it is made of, if that is known."""
        ...

    def look_up(self, key: bytes, found: Found) -> None:
        """Call `found` with the answer to an equal request, or None; before this returns, or later."""
        ...

    def offer(self, key: bytes, response: InferResponse, mine: set[bytes]) -> None:
        """Keep an answer if there is room. mine: the model's keys, which are updated where they are remembered.

        Raises Failed for outputs that are not what their datatype says.
        """
        ...

    def forget(self, mine: set[bytes], most: int) -> None:
        """Drop up to `most` answers of a model that is gone; those that are left stay in `mine`."""
        ...
