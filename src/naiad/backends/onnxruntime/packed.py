"""Run a packed encoder graph: join sequences without padding, run once, cut the answers apart.

One session with one intra-op thread is enough for any number of instances: `run` stays on the thread that calls it, so
instances are views of one session and share its weights. Not here: graphs that want padding (`padded.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from naiad.backends.onnxruntime.prepared.sharing import open_shared
from naiad.backends.onnxruntime.sequences import objection
from naiad.backends.onnxruntime.session import open_session
from naiad.core.clock import Clock, monotonic
from naiad.core.contracts import Batch, Instances
from naiad.core.cores import available_cores
from naiad.core.encoder import EncoderResult, EncoderSpec, TokenSequence
from naiad.core.errors import ModelFailed, NaiadError
from naiad.core.tensor import Array


class PackedEncoder:
    """An Instance[TokenSequence, EncoderResult] on a packed graph; safe to call from several threads at a time."""

    def __init__(self, session: Any, spec: EncoderSpec, clock: Clock = monotonic) -> None:
        self.spec = spec
        self._session = session
        self._clock = clock
        self._inputs = frozenset(node.name for node in session.get_inputs())
        self._granularity = {output.name: output.granularity for output in spec.outputs}

    @classmethod
    def open(cls, graph: Path, spec: EncoderSpec, *, threads: int = 1) -> PackedEncoder:
        """Open a graph of its own. threads: for one run; 0 = all cores. Raises LoadFailed."""
        return cls(open_session(graph, threads=threads), spec)

    def execute(self, batch: Batch[TokenSequence]) -> Sequence[EncoderResult | NaiadError]:
        """Run all sequences, in packs of `spec.pack_tokens`; see Instance.

        An InvalidRequest stands in for a sequence that the graph cannot take (too long, unknown output, a row outside);
        the others run. Raises ModelFailed where the runtime does.
        """
        errors = [objection(item, self.spec) for item in batch.items]
        good = [item for item, error in zip(batch.items, errors, strict=True) if error is None]
        packs = [Pack(items, self.spec) for items in split_packs(good, self.spec.pack_tokens)]
        feeds = [pack.feeds(self._inputs) for pack in packs]
        batch.input_ready_s = self._clock()
        runs = [self._run(pack, feed) for pack, feed in zip(packs, feeds, strict=True)]
        batch.output_ready_s = self._clock()
        results = iter(
            result for pack, arrays in zip(packs, runs, strict=True) for result in pack.split(arrays, self._granularity)
        )
        return [error or next(results) for error in errors]

    def close(self) -> None:
        """Forget the session; its memory goes with its last instance."""
        self._session = None

    def _run(self, pack: Pack, feeds: dict[str, Array]) -> dict[str, Array]:
        try:
            arrays = self._session.run(pack.wanted, feeds)
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise ModelFailed(f"ONNX Runtime failed on {pack.tokens} tokens: {error}") from error
        return dict(zip(pack.wanted, arrays, strict=True))


def open_encoder(graph: Path, spec: EncoderSpec, *, count: int = 0, threads: int = 0) -> Instances[TokenSequence]:
    """Open a packed graph for serving; a copy prepared for this machine is kept beside it (see `prepared/`).

    count: narrow instances; 0 = one for each core. threads: of the wide one; 0 = all cores. Raises LoadFailed.
    """
    threads = threads or available_cores()
    narrow, *wide = open_shared(graph, graph.parent, threads=(1,) if threads == 1 else (1, threads), spec=spec)
    instances = tuple(PackedEncoder(narrow, spec) for _ in range(count or available_cores()))
    return Instances(instances, PackedEncoder(wide[0], spec) if wide else None)


def split_packs(items: Sequence[TokenSequence], pack_tokens: int) -> list[Sequence[TokenSequence]]:
    """Cut into packs of at most that many tokens, in order; a longer sequence is a pack by itself.

    Speed is one reason: attention costs the square of a pack. The other is int8: sums over more than 128 tokens are
    made in parts, whose borders would depend on what else is in the pack.
    """
    packs: list[Sequence[TokenSequence]] = []
    begin = tokens = 0
    for number, item in enumerate(items):
        if number > begin and tokens + item.tokens > pack_tokens:
            packs.append(items[begin:number])
            begin, tokens = number, 0
        tokens += item.tokens
    if begin < len(items):
        packs.append(items[begin:])
    return packs


class Pack:
    """Several sequences as one row of tokens."""

    def __init__(self, items: Sequence[TokenSequence], spec: EncoderSpec) -> None:
        self._items = items
        self._spec = spec
        self.lengths = np.fromiter((item.tokens for item in items), np.int64, len(items))
        self.ends = np.cumsum(self.lengths)
        self.starts = self.ends - self.lengths
        self.tokens = int(self.ends[-1])
        self.wanted = sorted({name for item in items for name in item.outputs})
        self.row_counts = [0 if item.rows is None else len(item.rows) for item in items]

    def feeds(self, names: frozenset[str]) -> dict[str, Array]:
        """The inputs that the graph has, int64; see `Inputs` in the converter."""
        ids = np.concatenate([item.input_ids for item in self._items], dtype=np.int64)
        segments = np.repeat(np.arange(len(self._items)), self.lengths)
        feeds = {
            "input_ids": ids,
            "segments": segments,
            "starts": self.starts,
        }
        if "positions" in names:
            feeds["positions"] = self._positions(ids, segments)
        if "type_ids" in names:
            feeds["type_ids"] = self._type_ids()
        if "rows" in names:
            feeds["rows"] = self._rows()
        if "attended" in names:
            feeds["attended"] = self._attended()
        if "prompt_tokens" in names:
            feeds["prompt_tokens"] = np.array([item.prompt_tokens for item in self._items], np.int64)
        return feeds

    def split(self, arrays: dict[str, Array], granularity: dict[str, str]) -> list[EncoderResult]:
        """One result for each item, holding what it asked for; the arrays are views."""
        row_ends = np.cumsum(self.row_counts)
        results = []
        for number, item in enumerate(self._items):
            cuts: dict[str, int | slice] = {
                "sequence": number,
                "token": slice(self.starts[number], self.ends[number]),
                "row": slice(row_ends[number] - self.row_counts[number], row_ends[number]),
            }
            results.append({name: arrays[name][cuts[granularity[name]]] for name in item.outputs})
        return results

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
        parts = [
            item.rows + start for item, start in zip(self._items, self.starts, strict=True) if item.rows is not None
        ]
        return np.concatenate(parts, dtype=np.int64) if parts else np.zeros(0, np.int64)
