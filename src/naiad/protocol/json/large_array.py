"""A long JSON array on its way to a tensor: its leaves in pieces, numbers as the machine's own and not as objects.

A number takes two bytes in JSON, 32 to 56 as an object in a list, and eight here.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from naiad.core.tensor import Array

Piece = Array | list[bytes] | tuple[Any, ...]
"""Numbers as int64 or float64, truth values as bool, strings as UTF-8; a tuple holds what is none of these throughout.
"""


def flatten(data: list[Any]) -> list[Any]:
    """Leaves in row-major order; each value is looked at once, however the lists are nested."""
    flat: list[Any] = []
    pending: list[Any] = [data]
    while pending:
        value = pending.pop()
        if type(value) is not list:
            flat.append(value)
        elif any(type(item) is list for item in value):
            pending.extend(reversed(value))
        else:
            flat.extend(value)
    return flat


class LargeArray:
    """Leaves in row-major order, however the lists were nested."""

    __slots__ = ("_count", "has_booleans", "pieces")

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.has_booleans = False
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def extend(self, leaves: Sequence[Any]) -> None:
        """Take more leaves."""
        if leaves:
            self.pieces.append(self._piece(leaves))
            self._count += len(leaves)

    def _piece(self, leaves: Sequence[Any]) -> Piece:
        kinds = set(map(type, leaves))
        self.has_booleans = self.has_booleans or bool in kinds
        if kinds == {str}:
            return [leaf.encode() for leaf in leaves]
        if kinds == {bool}:
            return np.array(leaves, np.bool_)
        if kinds == {int}:
            try:
                return np.frombuffer(array("q", leaves), np.int64)
            except OverflowError:
                return tuple(leaves)
        if kinds <= {int, float}:
            return np.frombuffer(array("d", leaves), np.float64)
        # No tensor takes null or objects, so what they hold need not be kept.
        return tuple(leaf if isinstance(leaf, bool | int | float | str) else None for leaf in leaves)
