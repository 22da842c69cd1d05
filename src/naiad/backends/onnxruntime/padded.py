"""Run a text encoder that somebody else exported to ONNX: pad, run, cut, pool.

Such graphs take `input_ids` and `attention_mask` of batch x longest. What they give is found by the names that
exporters use; pooling is done here where the graph stops at token states. Batching by length, so that little is padded,
is the scheduler's part. Not here: graphs of our own builder (`packed.py`), and what a folder says of its model
(`naiad.convert.onnx_file`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from naiad.backends.onnxruntime.pooling import normalized, pool
from naiad.backends.onnxruntime.sequences import objection
from naiad.backends.onnxruntime.session import open_session
from naiad.core.clock import Clock, monotonic
from naiad.core.contracts import Batch
from naiad.core.encoder import EncoderResult, EncoderSpec, TokenSequence
from naiad.core.errors import LoadFailed, ModelFailed, NaiadError
from naiad.core.tensor import Array

INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")

TOKEN_STATES = ("last_hidden_state", "token_embeddings", "hidden_states")
"""Names under which exporters give (batch, tokens, hidden)."""

SENTENCE = ("sentence_embedding", "pooler_output")
"""Names under which exporters give (batch, width), the better one first."""

Dims = tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True)
class Ports:
    """Inputs and outputs of an exported encoder, by name: their shapes, as the file gives them."""

    inputs: Mapping[str, Dims]
    outputs: Mapping[str, Dims]

    def first(self, names: Sequence[str]) -> str | None:
        """The first of these outputs that there is."""
        return next((name for name in names if name in self.outputs), None)

    @property
    def token_states(self) -> str | None:
        """The output with a state for each token: by name, else the first of rank 3 that is no logits."""
        unnamed = (name for name, dims in self.outputs.items() if len(dims) == 3 and name != "logits")
        return self.first(TOKEN_STATES) or next(unnamed, None)

    @property
    def fixed_tokens(self) -> int:
        """The length to which the file wants every sequence padded; 0 = any length."""
        length = self.inputs["input_ids"][1]
        return length if isinstance(length, int) else 0


class EncoderFile:
    """An exported encoder, opened but not yet described."""

    def __init__(self, graph: Path, session: Any) -> None:
        """Look at a session's inputs and outputs. Raises LoadFailed where it is no text encoder."""
        self.graph = graph
        self.session = session
        self.ports = Ports(
            {node.name: tuple(node.shape) for node in self.session.get_inputs()},
            {node.name: tuple(node.shape) for node in self.session.get_outputs()},
        )
        self._check()

    @classmethod
    def open(cls, graph: Path, *, threads: int = 1) -> EncoderFile:
        """Open a session on it. threads: for one run; 0 = all cores. Raises LoadFailed."""
        return cls(graph, open_session(graph, threads=threads))

    def _check(self) -> None:
        inputs = self.ports.inputs
        foreign = [name for name in inputs if name not in INPUTS]
        if foreign or "input_ids" not in inputs or len(inputs["input_ids"]) != 2:
            raise LoadFailed(
                f"{self.graph}: not a text encoder: its inputs are {', '.join(inputs)}; "
                f"an encoder takes input_ids of (batch, tokens), and only {', '.join(INPUTS[1:])} besides",
                path=str(self.graph),
            )
        if isinstance(inputs["input_ids"][0], int):
            raise LoadFailed(
                f"{self.graph}: the batch axis is fixed at {inputs['input_ids'][0]}; export it with a dynamic axis",
                path=str(self.graph),
            )


class PaddedEncoder:
    """An Instance[TokenSequence, EncoderResult] on an exported graph; safe to call from several threads at a time."""

    def __init__(self, file: EncoderFile, spec: EncoderSpec, clock: Clock = monotonic) -> None:
        self.spec = spec
        self._session = file.session
        self._ports = file.ports
        self._clock = clock
        self._types = {node.name: _numpy_type(node.type) for node in file.session.get_inputs()}

    def execute(self, batch: Batch[TokenSequence]) -> Sequence[EncoderResult | NaiadError]:
        """Run all sequences in one padded pass; see Instance, and PackedEncoder.execute for the errors."""
        errors = [objection(item, self.spec) for item in batch.items]
        good = [item for item, error in zip(batch.items, errors, strict=True) if error is None]
        padded = _Padding(good, self.spec, self._ports.fixed_tokens) if good else None
        sources = sorted({name for item in good for output in item.outputs for name in self._sources(output)})
        batch.input_ready_s = self._clock()
        arrays = self._run(padded, sources) if padded else {}
        batch.output_ready_s = self._clock()
        results = iter([self._result(item, number, arrays) for number, item in enumerate(good)])
        return [error or next(results) for error in errors]

    def close(self) -> None:
        """Forget the session; its memory goes with its last instance."""
        self._session = None

    def _run(self, padded: _Padding, sources: list[str]) -> dict[str, Array]:
        feeds = {name: padded.feed(name).astype(self._types[name]) for name in self._ports.inputs}
        try:
            arrays = self._session.run(sources, feeds)
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise ModelFailed(f"ONNX Runtime failed on {padded.shape} padded tokens: {error}") from error
        return {name: np.asarray(array, np.float32) for name, array in zip(sources, arrays, strict=True)}

    def _sources(self, output: str) -> tuple[str, ...]:
        """The graph's outputs from which one of ours is made."""
        ports = self._ports
        if output == "logits":
            return ("logits",) if "logits" in ports.outputs else ("start_logits", "end_logits")
        states = ports.token_states
        if output == "embedding" and (self.spec.pooling == "none" or states is None):
            return (ports.first(SENTENCE) or "",)
        return (states or "",)

    def _result(self, item: TokenSequence, number: int, arrays: Mapping[str, Array]) -> EncoderResult:
        return {name: self._output(name, item, number, arrays) for name in item.outputs}

    def _output(self, name: str, item: TokenSequence, number: int, arrays: Mapping[str, Array]) -> Array:
        """One output of one sequence, without its padding."""
        sources = self._sources(name)
        array = arrays[sources[0]][number]
        if len(sources) == 2:
            array = np.stack([arrays[source][number] for source in sources], axis=-1)
        granularity = next(output.granularity for output in self.spec.outputs if output.name == name)
        if granularity != "sequence":
            rows: Array = array[: item.tokens] if granularity == "token" else array[_rows(item)]
            return rows
        if name == "embedding" and self.spec.pooling != "none" and array.ndim == 2:
            array = pool(array[: item.tokens], self.spec.pooling, item.prompt_tokens)
        return normalized(array) if name == "embedding" and self.spec.normalize else array


def _rows(item: TokenSequence) -> Array:
    return np.zeros(0, np.int64) if item.rows is None else item.rows


class _Padding:
    """Sequences as a rectangle, padded at the end."""

    def __init__(self, items: Sequence[TokenSequence], spec: EncoderSpec, fixed_tokens: int) -> None:
        self._items = items
        self._spec = spec
        self.shape = (len(items), fixed_tokens or max(item.tokens for item in items))
        lengths = np.array([[item.tokens] for item in items])
        self._inside = np.arange(self.shape[1])[None, :] < lengths

    def feed(self, name: str) -> Array:
        """One of INPUTS, (batch, longest) int64."""
        if name == "attention_mask":
            return self._inside.astype(np.int64)
        if name == "position_ids":
            return np.broadcast_to(np.arange(self.shape[1]) + self._spec.position_offset, self.shape)
        filled = np.full(self.shape, self._spec.pad_token_id if name == "input_ids" else 0, np.int64)
        for row, item in zip(filled, self._items, strict=True):
            values = item.input_ids if name == "input_ids" else item.type_ids
            if values is not None:
                row[: item.tokens] = values
        return filled


def _numpy_type(name: str) -> type[np.generic]:
    types: dict[str, type[np.generic]] = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
    if name not in types:
        raise LoadFailed(f"an encoder's inputs are int64 or int32, not {name}")
    return types[name]
