"""Run a text encoder that somebody else exported to ONNX: pad, run, cut, pool.

Such graphs take `input_ids` and `attention_mask` of batch x longest. Pooling is done here where the graph stops at
token states. Batching by length, so that little is padded, is the scheduler's part. Not here: graphs of our own builder
(`packed.py`), what a folder says of its model and which output means what (`naiad.convert.onnx_file`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from naiad.backends.onnxruntime.exported.ports import Constants, Ports
from naiad.backends.onnxruntime.exported.rectangle import Rectangle
from naiad.backends.onnxruntime.exported.running import Runner
from naiad.backends.onnxruntime.pooling import normalized, pool
from naiad.backends.onnxruntime.sequences import objection
from naiad.backends.onnxruntime.session import open_session
from naiad.core.clock import Clock, monotonic
from naiad.core.contracts import Batch
from naiad.core.encoder import EncoderResult, EncoderSpec, TokenSequence
from naiad.core.errors import ModelFailed, NaiadError
from naiad.core.tensor import Array

Sources = Mapping[str, tuple[str, ...]]
"""Our outputs → the graph's from which each is made: one, or two that are laid side by side (start and end)."""


class EncoderFile:
    """An exported encoder, opened but not yet described."""

    def __init__(self, graph: Path, session: Any, constants: Constants | None = None) -> None:
        """Look at a session's inputs and outputs. Raises LoadFailed where it is no text encoder."""
        self.graph = graph
        self.runner = Runner(session)
        self.ports = Ports.of(session, graph, constants)

    @classmethod
    def open(cls, graph: Path, *, threads: int = 1) -> EncoderFile:
        """Open a session on it. threads: for one run; 0 = all cores. Raises LoadFailed."""
        return cls(graph, open_session(graph, threads=threads))


class PaddedEncoder:
    """An Instance[TokenSequence, EncoderResult] on an exported graph; safe to call from several threads at a time."""

    def __init__(self, file: EncoderFile, spec: EncoderSpec, sources: Sources, clock: Clock = monotonic) -> None:
        self.spec = spec
        self._runner: Runner | None = file.runner
        self._ports = file.ports
        self._sources = sources
        self._clock = clock
        self._granularity = {output.name: output.granularity for output in spec.outputs}

    def execute(self, batch: Batch[TokenSequence]) -> Sequence[EncoderResult | NaiadError]:
        """Run all sequences in one padded pass, or each by itself where the graph wants that; see Instance.

        For the errors see PackedEncoder.execute.
        """
        errors = [objection(item, self.spec) for item in batch.items]
        good = [item for item, error in zip(batch.items, errors, strict=True) if error is None]
        groups = [[item] for item in good] if self.spec.runs_alone else [good] if good else []
        rectangles = [Rectangle(group, self.spec, self._ports.fixed_tokens) for group in groups]
        batch.input_ready_s = self._clock()
        runs = [self._run(rectangle, group) for rectangle, group in zip(rectangles, groups, strict=True)]
        batch.output_ready_s = self._clock()
        results = iter(
            [
                self._result(item, number, rectangle.shape[1], arrays)
                for group, rectangle, arrays in zip(groups, rectangles, runs, strict=True)
                for number, item in enumerate(group)
            ]
        )
        return [error or next(results) for error in errors]

    def close(self) -> None:
        """Forget the session; its memory goes with its last instance."""
        self._runner = None

    def _run(self, rectangle: Rectangle, items: Sequence[TokenSequence]) -> dict[str, Array]:
        if self._runner is None:
            raise ModelFailed("this instance is closed")
        names = sorted({source for item in items for output in item.outputs for source in self._sources[output]})
        try:
            return self._runner.run(names, rectangle.feeds(self._ports))
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise ModelFailed(f"ONNX Runtime failed on {rectangle.shape} padded tokens: {error}") from error

    def _result(self, item: TokenSequence, number: int, padded: int, arrays: Mapping[str, Array]) -> EncoderResult:
        return {name: self._output(name, item, padded, self._row(name, number, arrays)) for name in item.outputs}

    def _row(self, name: str, number: int, arrays: Mapping[str, Array]) -> Array:
        """What the graph says of one sequence, with its padding."""
        rows = [arrays[source][number] for source in self._sources[name]]
        return rows[0] if len(rows) == 1 else np.stack(rows, axis=-1)

    def _output(self, name: str, item: TokenSequence, padded: int, array: Array) -> Array:
        """One output of one sequence, without its padding."""
        granularity = self._granularity[name]
        if granularity != "sequence":
            array = _by_token(array, padded)
            rows: Array = array[: item.tokens] if granularity == "token" else array[_rows(item)]
            return rows
        if name != "embedding":
            return np.atleast_1d(array)
        if self.spec.pooling != "none":
            array = pool(array[: item.tokens], self.spec.pooling, item.prompt_tokens)
        return normalized(array) if self.spec.normalize else array


def _by_token(array: Array, padded: int) -> Array:
    """One row for each token: a number alone becomes a row, and tokens that are left out in front get zeros."""
    if array.ndim == 1:
        array = array[:, None]
    missing = padded - len(array)
    return np.concatenate([np.zeros((missing, *array.shape[1:]), np.float32), array]) if missing > 0 else array


def _rows(item: TokenSequence) -> Array:
    return np.zeros(0, np.int64) if item.rows is None else item.rows
