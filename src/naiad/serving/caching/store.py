"""The answers that are kept in memory: bounded in bytes, the least recently used of them goes first."""

from __future__ import annotations

from collections import OrderedDict
from itertools import count
from math import inf

from naiad.core.clock import Clock, monotonic
from naiad.core.message import InferResponse
from naiad.observe.cache_statistics import CacheStatistics
from naiad.serving.caching.answer import LARGEST_BYTES, KeptAnswer, keep, size_of
from naiad.serving.caching.contract import Found
from naiad.serving.caching.key import Keys
from naiad.serving.model import ServedModel

_copies = count(1)


class ResponseCache:
    """The answers of all models of a server; see `AnswerCache`."""

    is_shared = False

    def __init__(self, size_bytes: int, ttl_s: float = inf, clock: Clock = monotonic) -> None:
        """ttl_s: how long an answer may be given again."""
        self.statistics = CacheStatistics(size_bytes)
        self.clock = clock
        self._ttl_s = ttl_s
        self._entries: OrderedDict[bytes, tuple[KeptAnswer, set[bytes], float]] = OrderedDict()
        """By key, the least recently used first: the answer, its model's keys, until when it may be given."""

    def keys(self, model: ServedModel, contents: bytes | None) -> Keys:  # noqa: ARG002 - AnswerCache's
        """See `AnswerCache.keys`; each copy has others, so that one that is loaded anew never gives an older one's."""
        return Keys(model.name, model.version, next(_copies))

    def look_up(self, key: bytes, found: Found) -> None:
        """See `AnswerCache.look_up`; answers at once."""
        found(self.find(key))

    def offer(self, key: bytes, response: InferResponse, mine: set[bytes]) -> None:
        """See `AnswerCache.offer`."""
        size = size_of(response)
        if self.can_hold(size):
            self.insert(key, keep(response, size), mine)

    def can_hold(self, size_bytes: float) -> bool:
        """Whether an answer of that size is kept at all."""
        return size_bytes <= min(self.statistics.size_bytes, LARGEST_BYTES)

    def find(self, key: bytes) -> KeptAnswer | None:
        """Return the answer to an equal request, if it is there and not too old."""
        entry = self._entries.get(key)
        if entry is not None and entry[2] <= self.clock():
            self._remove(key)
            self.statistics.evictions += 1
            entry = None
        if entry is None:
            self.statistics.misses += 1
            return None
        self.statistics.hits += 1
        self._entries.move_to_end(key)
        return entry[0]

    def insert(self, key: bytes, answer: KeptAnswer, keys: set[bytes]) -> None:
        """Keep an answer that it can hold, in place of others if need be; keys: all of its model, which are updated."""
        if key in self._entries:  # an equal request ran at the same time
            return
        statistics = self.statistics
        while statistics.used_bytes + answer.size_bytes > statistics.size_bytes:
            self._remove(next(iter(self._entries)))
            statistics.evictions += 1
        self._entries[key] = answer, keys, self.clock() + self._ttl_s
        keys.add(key)
        statistics.entries += 1
        statistics.used_bytes += answer.size_bytes

    def forget(self, keys: set[bytes], most: int) -> None:
        """Drop up to `most` answers of a model that is gone; those that are left stay in `keys`."""
        for key in [key for key, _ in zip(keys, range(most), strict=False)]:
            self._remove(key)

    def _remove(self, key: bytes) -> None:
        answer, keys, _ = self._entries.pop(key)
        keys.discard(key)
        self.statistics.entries -= 1
        self.statistics.used_bytes -= answer.size_bytes
