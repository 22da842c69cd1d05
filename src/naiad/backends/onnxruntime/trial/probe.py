"""The first runs of an exported encoder, and whether a text's answer depends on what shares its run.

Rows of a graph need not be independent: dynamic int8 with one scale for a whole tensor, statistics over the batch, a
mask that does not reach everywhere. Compared are runs of the same shape, a text among copies of itself and among
strangers, because then an independent graph computes the very same numbers; runs of different shapes round differently.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from naiad.backends.onnxruntime.encoders.float_session import FloatSession
from naiad.backends.onnxruntime.encoders.rectangle import Rectangle
from naiad.backends.onnxruntime.prepared.extents import read_operators, read_types
from naiad.backends.onnxruntime.signature import read_ports
from naiad.backends.onnxruntime.trial.feeds import FEW_IDS, LONGEST, make_sequences
from naiad.core.encoding.encoder import EncoderSpec, TextTokens
from naiad.core.encoding.files import EncoderFiles
from naiad.core.encoding.ports import Ports
from naiad.core.errors import LoadFailed
from naiad.core.tensor import Array

BY_TENSOR = frozenset({"DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM"})
"""Operators with one scale for everything that runs together."""

SIZES = ((2, 1), (4, 3), (2, 5), (6, 19), (3, 40))
"""(texts, tokens) of the runs that are compared. Short ones tell of a convolution that reaches into the padding: of a
long text, it changes the last tokens only, which a classifier hardly sees."""

SAME = 1e-5
"""Runs of the same shape: how far apart, by the largest value, two answers of an independent graph may be; they are
equal."""

LIKE = 1e-4
"""The same for runs of different shapes, which round differently."""

LIKE_COARSE = 3e-2
"""The same for graphs with numbers coarser than float32: one that is rounded the other way is a step of that size."""

COARSE_TYPES = frozenset({2, 3, 10, *range(16, 24)})
"""ONNX's numbers for types of 16 floating and of 8 or fewer bits."""

WIDE = 10_000
"""An output that wide is over a vocabulary, and long texts cost much memory."""

RunTexts = Callable[[Sequence[TextTokens], int], list[Array]]
"""Texts and the length to pad to (0 = their longest) → the graph's outputs."""


def run_padded(files: EncoderFiles, sessions: Sequence[Any]) -> str:
    """Run one text, several and a long one; gives how rows depend on each other, or nothing.

    Raises LoadFailed where one text alone cannot be run.
    """
    graph, spec, ports = files.graph, files.spec, read_ports(sessions[0])
    ports.check_text(graph, files.constants)
    longest = min(spec.max_tokens, LONGEST, ports.fixed_tokens or LONGEST)
    if any(dims and isinstance(dims[-1], int) and dims[-1] >= WIDE for dims in ports.outputs.values()):
        longest = min(longest, LONGEST // 8)
    for session in sessions:
        run = _run_on(session, files, ports)
        for length in (1, min(7, longest)):
            try:
                run(make_sequences((length,), spec), 0)
            except Exception as error:  # onnxruntime's exceptions have no common base
                raise LoadFailed(f"{graph}: its first run failed: {error}", path=str(graph)) from error
        _attempt(run, make_sequences([min(length, longest) for length in (5, 1, 23, 2)], spec))
    _attempt(run, make_sequences((longest,), spec))  # config.json may promise more than the graph has
    run = _run_on(sessions[0], files, ports)
    return _structural(graph) or find_dependence(run, spec, longest, ports.fixed_tokens, _likeness(graph))


def find_dependence(run: RunTexts, spec: EncoderSpec, longest: int, fixed_tokens: int = 0, like: float = LIKE) -> str:
    """How a text's answer depends on its company, as the end of a sentence; nothing where it does not."""
    for seed, (texts, tokens) in enumerate(SIZES):
        length = min(tokens, longest)
        item = make_sequences((length,), spec, seed=seed)[0]
        among_itself = _attempt(run, [item] * texts)
        among_others = _attempt(run, [item, *_strangers(texts - 1, length, spec, seed)])
        if among_itself is None or among_others is None:
            return "the graph fails on several texts at once"
        if _differs(among_itself, among_others, texts, SAME):
            return "a text's answer changes with the other texts in its batch"
        if fixed_tokens:
            continue
        padded = _attempt(run, [item], length + tokens)  # which may be too long for the graph
        if padded is not None and _differs(run([item], 0), padded, 1, like):
            return "a text's answer changes with its padding"
    return ""


def _attempt(run: RunTexts, items: Sequence[TextTokens], tokens: int = 0) -> list[Array] | None:
    with suppress(Exception):  # onnxruntime's exceptions have no common base
        return run(items, tokens)
    return None


def _structural(graph: Path) -> str:
    with suppress(OSError, ValueError):
        found = sorted(read_operators(graph) & BY_TENSOR)
        if found:
            return f"the graph quantises everything in a batch with one scale ({', '.join(found)})"
    return ""


def _likeness(graph: Path) -> float:
    with suppress(OSError, ValueError):
        if read_types(graph) & COARSE_TYPES:
            return LIKE_COARSE
    return LIKE


def _run_on(session: Any, files: EncoderFiles, ports: Ports) -> RunTexts:
    graph = FloatSession(session)
    names = [
        node.name for node in session.get_outputs() if node.type.startswith("tensor(") and "string" not in node.type
    ]

    def run(items: Sequence[TextTokens], tokens: int) -> list[Array]:
        return list(graph.run(names, Rectangle(items, files, ports, tokens).feeds()).values())

    return run


def _strangers(count: int, length: int, spec: EncoderSpec, seed: int) -> list[TextTokens]:
    """Other texts: random ones, one token over and over, short ones."""
    ids = spec.vocabulary or FEW_IDS
    others = make_sequences([length if number % 3 != 2 else 1 for number in range(count)], spec, seed=1000 + seed)
    for number, other in enumerate(others):
        if number % 3 == 1:
            other.input_ids = np.full(length, (ids - 1) if number % 2 else 0)
    return others


def _differs(one: Sequence[Array], other: Sequence[Array], texts: int, tolerance: float) -> bool:
    return not _distance(one, other, texts) <= tolerance


def _distance(one: Sequence[Array], other: Sequence[Array], texts: int) -> float:
    """The largest difference of the first rows over all outputs, by the largest value of each; inf where one is NaN."""
    worst = 0.0
    for left, right in zip(one, other, strict=True):
        if left.ndim < 2 or right.ndim != left.ndim or len(right) not in (1, texts):
            continue
        small, large = sorted((left[0], right[0]), key=lambda array: array.size)
        cut = large[tuple(slice(size) for size in small.shape)]
        if not np.array_equal(np.isfinite(small), np.isfinite(cut)):
            return float("inf")
        difference = np.abs(np.nan_to_num(small) - np.nan_to_num(cut)).max(initial=0)
        worst = max(worst, float(difference) / max(float(np.abs(np.nan_to_num(small)).max(initial=0)), 1e-12))
    return worst
