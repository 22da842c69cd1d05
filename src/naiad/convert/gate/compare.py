"""How far two models' answers to the same inputs lie apart, output by output. Pure arithmetic on arrays.

What is still good enough is `limits.py`; where the arrays come from is the caller's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from naiad.core.tensor import Array

SCORES = ("logits", "start_logits", "end_logits", "logits_per_image", "logits_per_text")
"""Outputs whose largest value is an answer: a label, a word, a place."""

TIE = 1e-4
"""Two scores nearer than this part of the output's scale are both the best."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One output, over all inputs."""

    output: str
    rows: int
    """Vectors compared: one for each input, or one for each token of each input."""
    scale: float
    """Largest absolute value that the reference has."""
    max_difference: float
    """Infinite where shapes differ or a value is not finite."""
    mean_difference: float
    mean_cosine: float
    lowest_cosine: float
    same_best: float | None
    """Share of rows whose best answer is the reference's; None for outputs that are no scores."""

    @property
    def relative(self) -> float:
        """The largest difference as a part of the scale."""
        return self.max_difference / self.scale if self.scale else self.max_difference


def compare(output: str, expected: Sequence[Array], actual: Sequence[Array]) -> Comparison:
    """Compare one output; the lists hold one array for each input, (width,) or (rows, width), in the same order."""
    pairs = list(zip(map(_rows, expected), map(_rows, actual), strict=True))
    if not pairs or any(one.shape != other.shape or not _is_finite(one, other) for one, other in pairs):
        return Comparison(output, len(pairs), 0.0, np.inf, np.inf, 0.0, 0.0, 0.0 if output in SCORES else None)
    scale = max(float(np.abs(one).max(initial=0)) for one, _ in pairs)
    differences = np.concatenate([np.abs(one - other).ravel() for one, other in pairs])
    cosines = _cosines(pairs)
    return Comparison(
        output=output,
        rows=sum(len(one) for one, _ in pairs),
        scale=scale,
        max_difference=float(differences.max(initial=0)),
        mean_difference=float(differences.mean()) if differences.size else 0.0,
        mean_cosine=float(cosines.mean()),
        lowest_cosine=float(cosines.min()),
        same_best=_same_best(pairs, TIE * scale) if output in SCORES else None,
    )


def _rows(array: Array) -> Array:
    """Reshape to (rows, width) float64."""
    flat = np.asarray(array, np.float64)
    return flat.reshape(-1, flat.shape[-1]) if flat.ndim > 1 else flat.reshape(1, -1)


def _is_finite(*arrays: Array) -> bool:
    return all(bool(np.isfinite(array).all()) for array in arrays)


def _cosines(pairs: Sequence[tuple[Array, Array]]) -> Array:
    """One for each row; where rows are single numbers, one for the column of all. Equal rows have 1, zeros too."""
    if all(one.shape[-1] == 1 for one, _ in pairs):
        pairs = [tuple(np.concatenate(side).T for side in zip(*pairs, strict=True))]  # type: ignore[list-item]
    return np.concatenate([_row_cosines(one, other) for one, other in pairs])


def _row_cosines(one: Array, other: Array) -> Array:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    products = (one * other).sum(axis=1)
    cosines: Array = np.where(lengths > 0, products / np.where(lengths > 0, lengths, 1), (one == other).all(axis=1))
    return cosines


def _same_best(pairs: Sequence[tuple[Array, Array]], tie: float) -> float | None:
    """Share of rows in which the best column of one is, but for ties, the best of the other."""
    same = total = 0
    for one, other in pairs:
        if one.shape[-1] < 2:
            return None
        chosen = np.take_along_axis(one, other.argmax(axis=1)[:, None], axis=1)[:, 0]
        same += int((one.max(axis=1) - chosen <= tie).sum())
        total += len(one)
    return same / total
