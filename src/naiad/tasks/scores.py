"""Logits to scores, scores to an order, vectors to unit length. Pure; all arrays are float32 and keep their shape."""

from __future__ import annotations

import numpy as np

from naiad.core.tensor import Array

SMALLEST_NORM = 1e-12
"""What a vector is divided by at least; torch.nn.functional.normalize has the same."""


def softmax(logits: Array) -> Array:
    """Shares that sum to one over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Array = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def sigmoid(logits: Array) -> Array:
    """Each logit on its own between zero and one."""
    half: Array = np.tanh(logits / 2)  # does not overflow for large negative logits, as exp(-x) does
    return (half + 1) / 2


def apply_function(name: str, logits: Array) -> Array:
    """Scores by the function called `softmax`, `sigmoid`, `tanh` or `none`."""
    if name == "softmax":
        return softmax(logits)
    if name == "sigmoid":
        return sigmoid(logits)
    return np.tanh(logits) if name == "tanh" else logits


def best(scores: Array, count: int) -> tuple[Array, Array]:
    """Indices of the `count` highest scores of each row, best first, and the scores; ties keep their order."""
    order = np.argsort(-scores, axis=-1, kind="stable")[..., :count]
    return order, np.take_along_axis(scores, order, axis=-1)


def best_of_many(scores: Array, count: int) -> tuple[Array, Array]:
    """Like `best`, for rows too long to sort whole; the order of ties is open."""
    if count < scores.shape[-1]:
        some = np.argpartition(-scores, count - 1, axis=-1)[..., :count]
        order, found = best(np.take_along_axis(scores, some, axis=-1), count)
        return np.take_along_axis(some, order, axis=-1), found
    return best(scores, count)


def normalized(vectors: Array) -> Array:
    """Each row (n, width) divided by its Euclidean norm."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Array = vectors / np.maximum(norms, np.float32(SMALLEST_NORM))
    return unit
