"""What a token attends to within its text: everything or a band, with a bias by distance or not.

Not here: how very long texts are cut (`blocks.py`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from naiad.convert.encoder.bodies.body import Body, Inputs
from naiad.convert.encoder.bodies.parts.blocks import BLOCK, Block, Blocks

Bias = Callable[[str], str]
"""From distances (lanes, queries, keys) int64, key minus query, to what is added, (lanes, heads, queries, keys)."""


class Scope:
    """One kind of attention of a body; layers share it."""

    def __init__(
        self,
        body: Body,
        inputs: Inputs,
        *,
        reach: int | None = None,
        bias: Bias | None = None,
        scale: float | None = None,
    ) -> None:
        """reach: how far a token sees to either side. scale: as Body.attend takes it."""
        self._body = body
        self._inputs = inputs
        self._reach = reach
        self._by_distance = bias
        self._scale = body.sizes.head_size**-0.5 if scale is None else scale
        self._blocks = Blocks(body, inputs)
        self._bias = self._blocks.shared(self._bias_of_pack)

    def attend(self, query: str, key: str, value: str) -> str:
        """Attention of all heads, (T, all heads); what it takes is what Body.attend takes."""
        whole = self._body.attend
        return self._blocks.choose(
            lambda: self._in_blocks(query, key, value), lambda: whole(query, key, value, self._bias, self._scale)
        )

    def _bias_of_pack(self) -> str:
        body = self._body
        if self._reach is None and self._by_distance is None:
            return body.attention_bias(self._inputs)
        distance = body.distances(self._inputs)
        inside = "" if self._by_distance is None else self._by_distance(distance)
        return body.attention_bias(self._inputs, inside, "" if self._reach is None else self._near(distance))

    def _near(self, distance: str) -> str:
        """(lanes, queries, keys) bool."""
        graph = self._body.graph
        assert self._reach is not None
        return graph.op("LessOrEqual", graph.op("Abs", distance), graph.integer(self._reach))

    def _in_blocks(self, query: str, key: str, value: str) -> Block:
        body, graph = self._body, self._body.graph
        queries, all_keys, all_values = body.by_heads(query, key, value)

        def block(begin: str) -> str:
            first, end, keys, values = graph.ints(0), self._blocks.total, all_keys, all_values
            if self._reach is not None:
                first = graph.op("Max", graph.op("Sub", begin, graph.ints(self._reach)), first)
                end = graph.op("Min", graph.op("Add", begin, graph.ints(BLOCK + self._reach)), end)
                keys = graph.op("Slice", keys, first, end, graph.ints(3))
                values = graph.op("Slice", values, first, end, graph.ints(2))
            scores = graph.op("MatMul", self._blocks.queries(queries, begin), keys)
            scores = graph.op("Mul", scores, graph.number(self._scale))
            bias = self._bias_of_block(begin, first, end)
            return body.mix(graph.op("Add", scores, bias) if bias else scores, values)

        return block

    def _bias_of_block(self, begin: str, first: str, end: str) -> str:
        """For BLOCK queries and the keys between two places; empty if there is none."""
        graph = self._body.graph
        if self._reach is None and self._by_distance is None:
            return ""
        distance = self._blocks.distances(begin, first, end)
        bias = graph.number(0.0) if self._by_distance is None else self._by_distance(distance)
        if self._reach is None:
            return bias
        near = graph.op("Unsqueeze", self._near(distance), graph.ints(1))
        return graph.op("Where", near, bias, graph.number(-np.inf))
