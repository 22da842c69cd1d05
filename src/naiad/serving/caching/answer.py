"""One answer that is kept: complete but for what belongs to a request, and in memory that nobody can write to."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

import numpy as np

from naiad.core.message import InferResponse, Parameter
from naiad.core.tensor import Array, Tensor, bytes_tensor, raw_strings, wire_array
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


def _frozen(tensor: Tensor) -> Array:
    """Copy an output's data, row-major and of its datatype, into memory that cannot be written to."""
    if tensor.datatype == "BYTES":
        data = bytes_tensor(tensor.name, raw_strings(tensor), tensor.data.shape).data
        data.flags.writeable = False
        return data
    data = wire_array(tensor)
    return np.ndarray(data.shape, data.dtype, data.tobytes())
