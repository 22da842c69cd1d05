"""One piece of memory in which a state stays while its sequence lives; it may have room to spare when it grows."""

from __future__ import annotations

import numpy as np

from naiad.core.tensor import Array


class Room:
    """The memory of one state of one sequence (`use_same_buffer_for_input_output`)."""

    def __init__(self, first: Array, *, grows: bool) -> None:
        """first: what is in it to begin with. grows: a larger value gets twice the room (`use_growable_memory`)."""
        self._memory = first.ravel().copy()
        self._grows = grows
        self.value: Array = self._memory.reshape(first.shape)
        """What is in it now: a view."""

    def put(self, value: Array) -> Array:
        """Put a value in place of the one before, moving to other memory only where there is too little; a view."""
        if value.size > self._memory.size or (value.size < self._memory.size and not self._grows):
            size = max(value.size, 2 * self._memory.size) if self._grows else value.size
            self._memory = np.empty(size, value.dtype)
        place = self._memory[: value.size].reshape(value.shape)
        place[...] = value
        self.value = place
        return place
