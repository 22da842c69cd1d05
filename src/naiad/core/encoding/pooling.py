"""One vector from the states of a text's tokens, in numpy; the arithmetic that packed graphs carry in themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from naiad.core.tensor import Array

SMALLEST_NORM = 1e-12
"""As in the packed graph: what a vector is divided by at least."""


def _weighted_mean(states: Array, first: int) -> Array:
    weights = np.arange(1 + first, 1 + first + len(states), dtype=np.float32)
    mean: Array = weights @ states / weights.sum()
    return mean


POOLINGS: dict[str, Callable[[Array, int], Array]] = {
    "cls": lambda states, _: states[0],
    "max": lambda states, _: states.max(axis=0),
    "mean": lambda states, _: states.mean(axis=0),
    "mean_sqrt_len": lambda states, _: states.sum(axis=0) / np.float32(np.sqrt(len(states))),
    "weightedmean": _weighted_mean,
    "lasttoken": lambda states, _: states[-1],
}
"""From the states that count and how many there are before them."""


def pool(states: Array, pooling: str, prompt_tokens: int = 0) -> Array:
    """States (tokens, hidden) float32 to (hidden,), or several poolings joined: `cls+mean`.

    prompt_tokens: how many at the begin are left out; at least one is kept.
    """
    first = min(prompt_tokens, len(states) - 1)
    parts = [POOLINGS[name](states[first:], first) for name in pooling.split("+")]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def normalized(vector: Array) -> Array:
    """Divide by the Euclidean norm."""
    unit: Array = vector / max(float(np.linalg.norm(vector)), SMALLEST_NORM)
    return unit
