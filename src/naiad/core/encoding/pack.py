"""Several tokenized texts as one row: what the graphs of our builder take instead of padding.

The builder makes graphs for these inputs, observes them with such rows, and a runtime feeds and cuts them. A graph with
the input `lanes` takes a row cut into lanes of equal width (`lanes.py`); all but attention sees one row all the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from naiad.core.encoding.encoder import EncoderResult, EncoderSpec, TextTokens
from naiad.core.encoding.lanes import Lanes, lay_out
from naiad.core.tensor import Array


class Pack:
    """Several texts as one row of tokens."""

    def __init__(self, items: Sequence[TextTokens], spec: EncoderSpec, inputs: Collection[str]) -> None:
        """inputs: those that the graph has."""
        self._asked = items
        self._places: Sequence[int] = range(len(items))
        """Where among the laid out texts each one is."""
        self.lanes = 1
        if len(items) > 1 and "lanes" in inputs:
            lanes = lay_out([item.tokens for item in items], spec.pairs_per_token, spec.filled_limit)
            self.lanes = len(lanes.texts)
            if self.lanes > 1:
                items, self._places = _in_lanes(items, lanes)
        self._items = items
        self._spec = spec
        self._inputs = inputs
        self.lengths = np.fromiter((item.tokens for item in items), np.int64, len(items))
        self.ends = np.cumsum(self.lengths)
        self.starts = self.ends - self.lengths
        self.tokens = int(self.ends[-1])
        self.names = sorted({name for item in items for name in item.outputs})
        self.row_counts = [0 if item.rows is None else len(item.rows) for item in items]

    @property
    def size(self) -> str:
        """How much it is, in words."""
        return f"{self.tokens} tokens"

    def feeds(self) -> dict[str, Array]:
        """The inputs that the graph has, int64; see `Inputs` in the converter."""
        names = self._inputs
        ids = np.concatenate([item.input_ids for item in self._items], dtype=np.int64)
        segments = np.repeat(np.arange(len(self._items)), self.lengths)
        feeds = {
            "input_ids": ids,
            "segments": segments,
            "starts": self.starts,
        }
        if "lanes" in names:
            feeds["lanes"] = np.array([self.lanes], np.int64)
        if "positions" in names:
            feeds["positions"] = self._positions(ids, segments)
        if "type_ids" in names:
            feeds["type_ids"] = self._type_ids()
        if "rows" in names:
            feeds["rows"] = self._rows()
        if "attended" in names:
            feeds["attended"] = self._attended()
        if "all_tokens" in names:
            feeds["all_tokens"] = np.array([self._wants_all_tokens], np.int64)
        if "prompt_tokens" in names:
            feeds["prompt_tokens"] = np.array([item.prompt_tokens for item in self._items], np.int64)
        return feeds

    def split(self, arrays: Mapping[str, Array]) -> list[EncoderResult]:
        """One result for each item, holding what it asked for; the arrays are views."""
        granularity = {output.name: output.granularity for output in self._spec.outputs}
        row_ends = np.cumsum(self.row_counts)
        results = []
        for item, number in zip(self._asked, self._places, strict=True):
            cuts: dict[str, int | slice] = {
                "item": number,
                "token": slice(self.starts[number], self.ends[number]),
                "row": slice(row_ends[number] - self.row_counts[number], row_ends[number]),
            }
            results.append({name: arrays[name][cuts[granularity[name]]] for name in item.outputs})
        return results

    @property
    def _wants_all_tokens(self) -> bool:
        return any(output.granularity == "token" and output.name in self.names for output in self._spec.outputs)

    def _positions(self, ids: Array, segments: Array) -> Array:
        offset = self._spec.position_offset
        if offset:
            real = ids != offset - 1
            if not real.all():
                return self._positions_around_padding(real, segments)
        return np.arange(offset, offset + self.tokens) - self.starts[segments]

    def _positions_around_padding(self, real: Array, segments: Array) -> Array:
        """RoBERTa's way: a padding token in the text stands at its own position and does not move the others."""
        counted = np.cumsum(real)
        before = (counted - real)[self.starts]
        positions: Array = (counted - before[segments]) * real + self._spec.position_offset - 1
        return positions

    def _type_ids(self) -> Array:
        if not self._spec.uses_type_ids or all(item.type_ids is None for item in self._items):
            return np.zeros(self.tokens, np.int64)
        return np.concatenate(
            [np.zeros(item.tokens, np.int64) if item.type_ids is None else item.type_ids for item in self._items],
            dtype=np.int64,
        )

    def _attended(self) -> Array:
        seen = np.ones(self.tokens, np.int64)
        for item, end in zip(self._items, self.ends.tolist(), strict=True):
            seen[end - item.unseen_tokens : end] = 0
        return seen

    def _rows(self) -> Array:
        """Places in the pack; one that nobody asks for where there is none, because runtimes fail on empty products."""
        parts = [
            item.rows + start for item, start in zip(self._items, self.starts, strict=True) if item.rows is not None
        ]
        return np.concatenate(parts, dtype=np.int64) if any(self.row_counts) else np.zeros(1, np.int64)


def _in_lanes(items: Sequence[TextTokens], lanes: Lanes) -> tuple[list[TextTokens], list[int]]:
    """The texts lane by lane, each lane filled up, and where among them each text now is.

    What fills a lane is a text as well, with answers that nobody asks for: the beginning of the longest one, so that
    its ids and positions are such as the graph takes.
    """
    longest = max(items, key=lambda item: item.tokens)
    laid: list[TextTokens] = []
    places = [0] * len(items)
    for texts in lanes.texts:
        free = lanes.width
        for number in texts:
            places[number] = len(laid)
            laid.append(items[number])
            free -= items[number].tokens
        while free:
            part = min(free, longest.tokens)
            types = None if longest.type_ids is None else longest.type_ids[:part]
            laid.append(TextTokens(longest.input_ids[:part], (), types))
            free -= part
    return laid, places
