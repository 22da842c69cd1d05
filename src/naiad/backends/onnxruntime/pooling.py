"""One vector from the states of a text's tokens, in numpy; the arithmetic that packed graphs carry in themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from naiad.core.tensor import Array

SMALLEST_NORM = 1e-12
"""As in the packed graph: what a vector is divided by at least."""


def _weighted_mean(states: Array) -> Array:
    weights = np.arange(1, len(states) + 1, dtype=np.float32)
    mean: Array = weights @ states / weights.sum()
    return mean


POOLINGS: dict[str, Callable[[Array], Array]] = {
    "cls": lambda states: states[0],
    "max": lambda states: states.max(axis=0),
    "mean": lambda states: states.mean(axis=0),
    "mean_sqrt_len": lambda states: states.sum(axis=0) / np.float32(np.sqrt(len(states))),
    "weightedmean": _weighted_mean,
    "lasttoken": lambda states: states[-1],
}


def pool(states: Array, pooling: str) -> Array:
    """States (tokens, hidden) float32 to (hidden,), or several poolings joined: `cls+mean`."""
    parts = [POOLINGS[name](states) for name in pooling.split("+")]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def normalized(vector: Array) -> Array:
    """Divide by the Euclidean norm."""
    unit: Array = vector / max(float(np.linalg.norm(vector)), SMALLEST_NORM)
    return unit
