"""The answers that are kept: bounded in bytes, the least recently used of them goes first.

What is kept is a copy that nobody can write to. Owned by the event loop's thread.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

import numpy as np

from naiad.core.clock import Clock, monotonic
from naiad.core.message import InferResponse, Parameter
from naiad.core.tensor import Array, Tensor, bytes_tensor, raw_strings, wire_array
from naiad.observe.cache_statistics import CacheStatistics
from naiad.serving.caching.key import KEY_BYTES

LARGEST_BYTES = 16 * 1024 * 1024
"""The largest answer that is kept, however large the cache: copying it takes the event loop some milliseconds."""

MOST_STRINGS = 64 * 1024
"""The most strings in one output that is kept, for the same reason."""

_ENTRY_BYTES = 640 + KEY_BYTES
"""What an entry takes besides its tensors: key, places in tables, the objects around them."""

_TENSOR_BYTES = 320
"""What a tensor takes besides its elements."""

_STRING_BYTES = sys.getsizeof(b"") + 16
"""What a string takes besides its bytes: its object, the pointer to it, what the allocator rounds up."""


@dataclass(slots=True, frozen=True)
class KeptAnswer:
    """One answer, complete but for what belongs to a request: id, version, classes, where outputs go."""

    model_name: str
    outputs: tuple[Tensor, ...]
    parameters: Mapping[str, Parameter]
    tokens: int
    size_bytes: int
    """What it takes in memory."""

    def response(self) -> InferResponse:
        """Return an answer over the same memory, which is read-only."""
        outputs = [Tensor(tensor.name, tensor.datatype, tensor.data) for tensor in self.outputs]
        return InferResponse(self.model_name, "", outputs, "", dict(self.parameters), self.tokens)


def size_of(response: InferResponse) -> float:
    """Return what keeping an answer takes in memory, in bytes; infinite where it has too many strings.

    Raises Failed for strings that are none.
    """
    size: float = _ENTRY_BYTES + 2 * len(response.model_name)
    for name, value in response.parameters.items():
        size += sys.getsizeof(name) + sys.getsizeof(value)
    for tensor in response.outputs:
        size += _TENSOR_BYTES + tensor.data.nbytes
        if tensor.datatype == "BYTES":
            if tensor.data.size > MOST_STRINGS:
                return inf
            size += sum(len(value) + _STRING_BYTES for value in raw_strings(tensor))
    return size


def keep(response: InferResponse, size_bytes: float) -> KeptAnswer:
    """Return a copy. Raises Failed for outputs that are not what their datatype says."""
    outputs = tuple(Tensor(tensor.name, tensor.datatype, _frozen(tensor)) for tensor in response.outputs)
    return KeptAnswer(response.model_name, outputs, dict(response.parameters), response.tokens, int(size_bytes))


class ResponseCache:
    """The answers of all models of a server."""

    def __init__(self, size_bytes: int, ttl_s: float = inf, clock: Clock = monotonic) -> None:
        """ttl_s: how long an answer may be given again."""
        self.statistics = CacheStatistics(size_bytes)
        self.clock = clock
        self._ttl_s = ttl_s
        self._entries: OrderedDict[bytes, tuple[KeptAnswer, set[bytes], float]] = OrderedDict()
        """By key, the least recently used first: the answer, its model's keys, until when it may be given."""

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


def _frozen(tensor: Tensor) -> Array:
    """Copy an output's data, row-major and of its datatype, into memory that cannot be written to."""
    if tensor.datatype == "BYTES":
        data = bytes_tensor(tensor.name, raw_strings(tensor), tensor.data.shape).data
        data.flags.writeable = False
        return data
    data = wire_array(tensor)
    return np.ndarray(data.shape, data.dtype, data.tobytes())
