"""When two answers are the same: numbers within a share of the largest, everything else exactly.

Answers are made of dicts, lists, strings and numbers. A ranking of scores may come in another order only where the
scores are equal within the tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

TOLERANCE = 1e-4
"""Of the largest number of the answer; float32 over two layers is off by 1e-6."""


def difference(wanted: Any, got: Any, tolerance: float = TOLERANCE) -> str:
    """What differs first, in words; empty where nothing does."""
    return next(_differences(wanted, got, tolerance, ""), "")


def logit_difference(wanted: np.ndarray[Any, Any], got: np.ndarray[Any, Any]) -> str:
    """The same for values of order 1: those that all happen to be near 0 are not rounded any finer."""
    if wanted.shape != got.shape:
        return f" has the shape {got.shape} instead of {wanted.shape}"
    return difference(np.append(wanted, 1.0), np.append(got, 1.0))


def _differences(wanted: Any, got: Any, tolerance: float, place: str) -> Iterator[str]:
    if isinstance(wanted, Mapping) and isinstance(got, Mapping):
        if wanted.keys() != got.keys():
            yield f"{place} has {sorted(got)} instead of {sorted(wanted)}"
            return
        for key in wanted:
            yield from _differences(wanted[key], got[key], tolerance, f"{place}[{key!r}]")
    elif isinstance(wanted, np.ndarray | float | np.floating):
        yield from _number_differences(np.asarray(wanted), np.asarray(got), tolerance, place)
    elif isinstance(wanted, Sequence) and not isinstance(wanted, str) and isinstance(got, Sequence):
        if len(wanted) != len(got):
            yield f"{place} has {len(got)} elements instead of {len(wanted)}: {got!r:.300} instead of {wanted!r:.300}"
            return
        for at, (one, other) in enumerate(zip(wanted, got, strict=True)):
            yield from _differences(one, other, tolerance, f"{place}[{at}]")
    elif wanted != got:
        yield f"{place} is {got!r} instead of {wanted!r}"


def _number_differences(
    wanted: np.ndarray[Any, Any], got: np.ndarray[Any, Any], tolerance: float, place: str
) -> Iterator[str]:
    if wanted.shape != got.shape:
        yield f"{place} has the shape {got.shape} instead of {wanted.shape}"
        return
    if not np.isfinite(wanted).all():
        yield f"{place}: the expected value is not finite, which proves nothing"
        return
    off = np.abs(wanted.astype(np.float64) - got.astype(np.float64))
    limit = tolerance * max(float(np.abs(wanted).max(initial=0.0)), 1e-6)
    if not off.max(initial=0.0) <= limit:
        largest = np.abs(wanted).max()
        yield f"{place} is off by {off.max():.3g} (largest {largest:.3g}): {got!r:.120} instead of {wanted!r:.120}"
