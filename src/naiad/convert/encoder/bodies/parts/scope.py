"""What a token attends to within its sequence: everything or a band, with scores that fall with the distance or not.

Memory for scores grows with the square of a pack. Packs are short, but one very long sequence is a pack by itself; for
such a one, queries are taken block by block, each with the keys that it can see: at 8192 tokens and 12 heads 0.1 GB for
scores instead of 3.2. Both ways stand in the graph, for bodies made for sequences that long.
"""

from __future__ import annotations

import numpy as np

from naiad.convert.encoder.bodies.body import Body, Inputs
from naiad.core.tensor import Array

LONG = 1024
"""Tokens from which a sequence by itself is taken block by block."""

BLOCK = 256
"""Queries in a block."""


class Scope:
    """One kind of attention of a body; layers share it."""

    def __init__(self, body: Body, inputs: Inputs, *, reach: int | None = None, slopes: Array | None = None) -> None:
        """reach: how far a token sees to either side. slopes: (heads,) what a step of distance costs a score."""
        self._body = body
        self._inputs = inputs
        self._reach = reach
        self._slopes = slopes
        self._bias = self._shared_bias()

    def attend(self, query: str, key: str, value: str) -> str:
        """Attention of all heads, (T, all heads); what it takes is what Body.attend takes."""
        if not self._may_be_long:
            return self._body.attend(query, key, value, self._bias)
        return self._body.graph.choose(
            self._is_long,
            lambda: self._attend_in_blocks(query, key, value),
            lambda: self._body.attend(query, key, value, self._bias),
        )

    @property
    def _may_be_long(self) -> bool:
        return self._body.sizes.max_tokens > LONG

    @property
    def _is_long(self) -> str:
        """Scalar bool: one sequence, of more than LONG tokens."""
        graph, inputs = self._body.graph, self._inputs

        def make() -> str:
            many = graph.op("Greater", graph.op("Shape", inputs.segments), graph.ints(LONG))
            alone = graph.op("Equal", graph.op("Shape", inputs.starts), graph.ints(1))
            return graph.op("Squeeze", graph.op("And", many, alone), graph.ints(0))

        return graph.once("is long", make)

    def _shared_bias(self) -> str:
        """(T, T) or (heads, T, T); of one element where it is not needed."""
        graph = self._body.graph
        if not self._may_be_long:
            return self._bias_of_pack()
        return graph.choose(self._is_long, lambda: graph.constant(np.zeros((1, 1, 1), np.float32)), self._bias_of_pack)

    def _bias_of_pack(self) -> str:
        body = self._body
        if self._reach is None and self._slopes is None:
            return body.attention_bias(self._inputs)
        distance = body.graph.op("Abs", body.distances(self._inputs))
        inside = "" if self._slopes is None else self._falling(distance)
        return body.attention_bias(self._inputs, inside, "" if self._reach is None else self._near(distance))

    def _falling(self, distance: str) -> str:
        """(heads, queries, keys) float32 from distances (queries, keys)."""
        graph = self._body.graph
        assert self._slopes is not None
        return graph.op("Mul", graph.constant(-self._slopes[:, None, None]), graph.op("Cast", distance, to=graph.FLOAT))

    def _near(self, distance: str) -> str:
        """(queries, keys) bool."""
        assert self._reach is not None
        return self._body.graph.op("LessOrEqual", distance, self._body.graph.integer(self._reach))

    def _attend_in_blocks(self, query: str, key: str, value: str) -> str:
        """Blocks are of one size: the last begins earlier, and what it shares with the one before is dropped."""
        body, graph = self._body, self._body.graph
        queries, values = body.split_heads(query, (1, 0, 2)), body.split_heads(value, (1, 0, 2))
        keys = body.split_heads(key, (1, 2, 0))
        total = graph.op("Shape", self._inputs.segments)
        last = graph.op("Sub", total, graph.ints(BLOCK))
        count = graph.op("Div", graph.op("Add", total, graph.ints(BLOCK - 1)), graph.ints(BLOCK))

        def block(number: str) -> str:
            begin = graph.op("Min", graph.op("Mul", number, graph.ints(BLOCK)), last)
            part = graph.op("Slice", queries, begin, graph.op("Add", begin, graph.ints(BLOCK)), graph.ints(1))
            return self._block(part, keys, values, begin, total)

        stacked = graph.op(
            "Reshape", graph.each(graph.op("Squeeze", count), block), graph.ints(-1, body.sizes.attention)
        )
        places = graph.op("Range", graph.integer(0), graph.op("Squeeze", total), graph.integer(1))
        before = graph.op("Mul", graph.op("Sub", count, graph.ints(1)), graph.ints(BLOCK))
        shift = graph.op("Sub", before, last)
        moved = graph.op("Add", places, shift)
        return graph.op("Gather", stacked, graph.op("Where", graph.op("Less", places, before), places, moved), axis=0)

    def _block(self, query: str, keys: str, values: str, begin: str, total: str) -> str:
        """(BLOCK, all heads) for queries (heads, BLOCK, size) that begin at a place, (1,) int64."""
        body, graph, bias = self._body, self._body.graph, ""
        first, end = graph.ints(0), total
        if self._reach is not None:
            first = graph.op("Max", graph.op("Sub", begin, graph.ints(self._reach)), graph.ints(0))
            end = graph.op("Min", graph.op("Add", begin, graph.ints(BLOCK + self._reach)), total)
            keys = graph.op("Slice", keys, first, end, graph.ints(2))
            values = graph.op("Slice", values, first, end, graph.ints(1))
        if self._reach is not None or self._slopes is not None:
            across = graph.op("Range", graph.op("Squeeze", first), graph.op("Squeeze", end), graph.integer(1))
            down = graph.op("Add", graph.constant(np.arange(BLOCK)[:, None]), begin)
            distance = graph.op("Abs", graph.op("Sub", across, down))
            bias = graph.number(0.0) if self._slopes is None else self._falling(distance)
            if self._reach is not None:
                bias = graph.op("Where", self._near(distance), bias, graph.number(-np.inf))
        scores = graph.op("Mul", graph.op("MatMul", query, keys), graph.number(body.sizes.head_size**-0.5))
        return body.mix(graph.op("Add", scores, bias) if bias else scores, values)
