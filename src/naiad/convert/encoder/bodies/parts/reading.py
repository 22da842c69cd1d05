"""Layers of which the last one computes, behind its attention, only the tokens whose states are read."""

from __future__ import annotations

from collections.abc import Sequence

from naiad.convert.encoder.graph import GraphBuilder


def read_of_layers(prefixes: Sequence[str], at: str) -> list[tuple[str, str]]:
    """Each layer's prefix and the tokens at which its states are read; empty: all, because the next one attends."""
    *others, last = prefixes
    return [*((prefix, "") for prefix in others), (last, at)]


def rows(graph: GraphBuilder, x: str, at: str) -> str:
    """The states of the tokens that are read, (n, …) of (T, …); all if `at` is empty."""
    return graph.op("Gather", x, at, axis=0) if at else x
