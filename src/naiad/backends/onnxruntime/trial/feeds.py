"""Inputs made up for a first run: one token, several texts of mixed length, full packs, a long text."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from naiad.backends.onnxruntime.encoders.encoder import Encoder
from naiad.backends.onnxruntime.encoders.float_session import FloatSession
from naiad.backends.onnxruntime.encoders.packed import PackedForm
from naiad.core.contracts import Batch
from naiad.core.encoding.encoder import EncoderSpec, TextTokens
from naiad.core.errors import NaiadError
from naiad.core.tensor import Array

LONGEST = 512
"""Tokens; longer texts cost the square and use the same kernels."""

MOST_ROWS = 8
"""Rows of fill-mask; each is as wide as the vocabulary."""

FEW_IDS = 100
"""Token ids where the vocabulary is not known."""

_TYPES: dict[str, Any] = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16, "tensor(bool)": np.bool_,
    "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(int16)": np.int16, "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8, "tensor(uint16)": np.uint16, "tensor(uint32)": np.uint32, "tensor(uint64)": np.uint64,
}  # fmt: skip


def make_sequences(lengths: Sequence[int], spec: EncoderSpec, *, seed: int = 0) -> list[TextTokens]:
    """Random tokens of these lengths, every output asked for."""
    random = np.random.default_rng(seed)
    names = tuple(output.name for output in spec.outputs)
    types = min(spec.type_vocabulary or 2, 2) if spec.uses_type_ids else 1
    items = []
    for number, length in enumerate(lengths):
        ids = random.integers(0, spec.vocabulary or FEW_IDS, length)
        if spec.needed_token is not None:
            ids[-1] = spec.needed_token
        type_ids = random.integers(0, types, length) if number % 2 else None
        items.append(TextTokens(ids, names, type_ids, np.arange(min(length, MOST_ROWS))))
    return items


def run_packed(sessions: Sequence[Any], spec: EncoderSpec) -> None:
    """Run a graph of our own builder; for its first output alone, too, where it then computes less.

    Raises NaiadError where a text fails.
    """
    longest = min(spec.max_tokens, LONGEST)
    full = max(1, min((spec.pack_limit or spec.pack_tokens) // 4, longest))
    batches = [(1,), (full,) * 4, tuple(min(length, longest) for length in (5, 1, 23, 2))]
    for number, session in enumerate(sessions, 1):
        names = [node.name for node in session.get_inputs()]
        encoder = Encoder(FloatSession(session), PackedForm(spec, names))
        for lengths in (*batches, (longest,)) if number == len(sessions) else batches:
            items = make_sequences(lengths, spec)
            _run(encoder, items)
            if "all_tokens" in names and lengths != (longest,):
                _run(encoder, [replace(item, outputs=item.outputs[:1]) for item in items])


def _run(encoder: Encoder[TextTokens], items: Sequence[TextTokens]) -> None:
    for result in encoder.execute(Batch(items)):
        if isinstance(result, NaiadError):
            raise result


def run_by_shapes(sessions: Sequence[Any]) -> None:
    """Run any graph on inputs of the shapes that it declares; axes that vary have one element, then two.

    A graph may refuse what is made up without knowing it; only that it lives counts.
    """
    for session in sessions:
        if any(node.type not in _TYPES for node in session.get_inputs()):
            return
        for size in (1, 2):
            with suppress(Exception):  # onnxruntime's exceptions have no common base
                session.run(None, {node.name: _fill(node, size) for node in session.get_inputs()})


def _fill(node: Any, size: int) -> Array:
    shape = [axis if isinstance(axis, int) and axis > 0 else size for axis in node.shape]
    kind = _TYPES[node.type]
    if issubclass(kind, np.floating):
        return np.random.default_rng(0).random(shape).astype(kind)
    return np.ones(shape, kind)
