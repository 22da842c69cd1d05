"""Attention of one very long text, block by block.

Memory for scores grows with the square of a pack. Packs are short, but one very long text is a pack by itself; for
such a one, queries are taken block by block: at 8192 tokens and 12 heads 0.1 GB for scores instead of 3.2. Both ways
stand in the graph, for bodies made for texts that long. Not here: what a block sees (`scope.py`, `distance.py`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from naiad.convert.encoder.bodies.body import Body, Inputs

LONG = 1024
"""Tokens from which a text by itself is taken block by block."""

BLOCK = 256
"""Queries in a block."""

Block = Callable[[str], str]
"""From a place, (1,) int64, to what the heads attend to for the queries from there on, (BLOCK, all heads)."""


class Blocks:
    """The choice between both ways, for one run."""

    def __init__(self, body: Body, inputs: Inputs) -> None:
        self._body = body
        self._inputs = inputs

    @property
    def total(self) -> str:
        """(1,) int64: tokens of the pack."""
        return self._body.graph.op("Shape", self._inputs.segments)

    def choose(self, prepare: Callable[[], Block], whole: Callable[[], str]) -> str:
        """Attention of all heads, (T, all heads). prepare: adds what blocks share. whole: all at once."""
        if not self._may_be_long:
            return whole()
        return self._body.graph.choose(self._is_long, lambda: self._join(prepare()), whole)

    def shared(self, make: Callable[[], str], kind: type[np.generic] = np.float32) -> str:
        """What layers share that attend to everything at once; four axes of one element where they do not.

        kind: float32 or int32.
        """
        graph = self._body.graph
        if not self._may_be_long:
            return make()
        return graph.choose(self._is_long, lambda: graph.constant(np.zeros((1, 1, 1, 1), kind)), make, kind=kind)

    def distances(self, begin: str, first: str = "", end: str = "") -> str:
        """(1, BLOCK, keys) int64: key position minus query position, for keys between two places, or all."""
        graph = self._body.graph
        first, end = first or graph.ints(0), end or self.total
        across = graph.op("Range", graph.op("Squeeze", first), graph.op("Squeeze", end), graph.integer(1))
        return graph.op("Sub", across, graph.op("Add", graph.constant(np.arange(BLOCK)[None, :, None]), begin))

    def queries(self, query: str, begin: str) -> str:
        """A block's part of (1, heads, T, size)."""
        graph = self._body.graph
        return graph.op("Slice", query, begin, graph.op("Add", begin, graph.ints(BLOCK)), graph.ints(2))

    @property
    def _may_be_long(self) -> bool:
        return self._body.sizes.max_tokens > LONG

    @property
    def _is_long(self) -> str:
        """Scalar bool: one text, of more than LONG tokens."""
        graph, inputs = self._body.graph, self._inputs

        def make() -> str:
            many = graph.op("Greater", graph.op("Shape", inputs.segments), graph.ints(LONG))
            alone = graph.op("Equal", graph.op("Shape", inputs.starts), graph.ints(1))
            return graph.op("Squeeze", graph.op("And", many, alone), graph.ints(0))

        return graph.once("is long", make)

    def _join(self, block: Block) -> str:
        """Blocks are of one size: the last begins earlier, and what it shares with the one before is dropped."""
        graph, total = self._body.graph, self.total
        last = graph.op("Sub", total, graph.ints(BLOCK))
        count = graph.op("Div", graph.op("Add", total, graph.ints(BLOCK - 1)), graph.ints(BLOCK))

        def make(number: str) -> str:
            return block(graph.op("Min", graph.op("Mul", number, graph.ints(BLOCK)), last))

        width = self._body.sizes.attention
        stacked = graph.op("Reshape", graph.each(graph.op("Squeeze", count), make), graph.ints(-1, width))
        places = graph.op("Range", graph.integer(0), graph.op("Squeeze", total), graph.integer(1))
        before = graph.op("Mul", graph.op("Sub", count, graph.ints(1)), graph.ints(BLOCK))
        moved = graph.op("Add", places, graph.op("Sub", before, last))
        return graph.op("Gather", stacked, graph.op("Where", graph.op("Less", places, before), places, moved), axis=0)
