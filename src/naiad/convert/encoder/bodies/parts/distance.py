"""DeBERTa's table of distances: which column of the relative embeddings a pair of tokens looks at.

Columns 0 … 2 * span - 1 stand for the distances from the key to the query, the middle one for 0. Not here: what is done
with the columns (`deberta.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from naiad.convert.encoder.bodies.body import Body, Inputs
from naiad.convert.encoder.config import Config
from naiad.convert.encoder.dimensions import Dimensions
from naiad.core.errors import InvalidConfiguration
from naiad.core.tensor import Array

FARTHEST = 1 << 16
"""Distances are told apart up to here, if they have not all one column before."""


@dataclass(frozen=True, slots=True)
class Distances:
    """How distances become columns."""

    span: int
    """Half the number of columns."""
    buckets: int
    """Farther tokens than half of it share logarithmically growing buckets; 0: every distance has its own column."""
    positions: int
    """Where the buckets end."""

    @classmethod
    def read(cls, config: Config, sizes: Dimensions) -> Distances:
        """What config.json says. Raises InvalidConfiguration."""
        positions = config.integer("max_relative_positions", least=-1)
        positions = positions if positions > 0 else sizes.positions
        buckets = max(config.integer("position_buckets", least=-1), 0)
        if buckets == 1:
            raise InvalidConfiguration("config.json: position_buckets is 1; two directions need two buckets at least")
        return cls(span=buckets or positions, buckets=buckets, positions=positions)

    def columns(self, distance: Array) -> Array:
        """Columns of these distances (query position minus key position), int64; same shape."""
        places = log_buckets(distance, self.buckets, self.positions) if self.buckets else distance
        columns: Array = np.clip(places + self.span, 0, 2 * self.span - 1)
        return columns

    @property
    def farthest(self) -> int:
        """From here on all distances have one column."""
        distance = self.positions
        while distance < FARTHEST and self.columns(np.array(-distance)) > 0:
            distance *= 2
        return min(distance, FARTHEST)


def log_buckets(distance: Array, buckets: int, positions: int) -> Array:
    """Signed buckets: one for each distance up to half of `buckets`, the others for growing ranges up to `positions`.

    In float32 step by step as transformers has it, because rounding decides the borders.
    """
    middle = buckets // 2
    near = (distance < middle) & (distance > -middle)
    size = np.where(near, middle - 1, np.abs(distance))
    ratio = np.log(np.maximum(size, 1).astype(np.float32) / np.float32(middle))
    steps = ratio / np.log(np.float32((positions - 1) / middle)) * np.float32(middle - 1)
    far = (np.ceil(steps) + middle) * np.sign(distance)
    bucket: Array = np.where(size <= middle, distance, far).astype(np.int64)
    return bucket


class Window:
    """The columns that one run needs, once for all layers.

    No two tokens of a run are farther apart than its longest text is long. Texts are short mostly: then a few
    columns are multiplied instead of all.
    """

    def __init__(self, body: Body, inputs: Inputs, distances: Distances) -> None:
        graph, farthest = body.graph, distances.farthest
        columns = distances.columns(np.arange(farthest, -farthest - 1, -1))  # by key position minus query position
        first = np.minimum.accumulate(columns[farthest:])
        last = np.maximum.accumulate(columns[farthest::-1])
        longest = graph.op("ReduceMax", inputs.positions, graph.ints(0), keepdims=1)
        longest = graph.op("Min", longest, graph.ints(farthest))
        self._body = body
        self._farthest = farthest
        self._columns = self._table("columns", columns)
        self.begin = graph.op("Gather", self._table("first", first), longest)
        """(1,) int32, the first column."""
        self.end = graph.op("Gather", self._table("end", last + 1), longest)
        """(1,) int32, one past the last."""

    def places(self, distances: str) -> str:
        """(lanes, heads, queries, keys) int32: columns, from `begin` on, of distances (lanes, queries, keys)."""
        graph, farthest = self._body.graph, self._farthest
        shifted = graph.op("Add", distances, graph.integer(farthest))
        shifted = graph.op("Clip", shifted, graph.integer(0), graph.integer(2 * farthest))
        places = graph.op("Sub", graph.op("Gather", self._columns, shifted), self.begin)
        return graph.op(
            "Expand", graph.op("Unsqueeze", places, graph.ints(1)), graph.ints(1, self._body.sizes.heads, 1, 1)
        )

    def _table(self, name: str, values: Array) -> str:
        return self._body.graph.weight(f"distances.{name}", lambda: values.astype(np.int32))
