"""Quantiles of the times of the last minute, in little memory however many there are.

The window is Triton's: five slices of 12 s, of which the oldest is dropped as a whole, so that quantiles are of the
last 48 to 60 s. Times are counted by whole microseconds up to 511, above that by 256 steps for each power of two: a
quantile is exact, or within 0.2 % of its value.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from naiad.core.clock import Clock, monotonic
from naiad.observe.histogram import FOLD_AFTER

SLICES = 5
SLICE_S = 12.0

_STEPS = 256
"""Counted apart for each power of two."""
_EXACT_BITS = 9
"""Numbers of so many bits are counted each for itself: twice as many as there are steps."""
_MOST = 2**40 - 1
"""Microseconds, 12 days; what takes longer counts as that."""
_BINS = (40 - _EXACT_BITS + 2) * _STEPS


class RecentTimes:
    """The times of the last minute. One owner, no lock."""

    def __init__(self, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._began_s = clock()
        self._slices: dict[int, Any] = {}
        """Number of the slice, from 0 → (_BINS,) int64, how many times fell into each bin; no empty ones."""
        self._number = 0
        """Slice of what is noted."""
        self._noted: list[float] = []

    def observe(self, seconds: float, times: int = 1) -> None:
        """Count a time, as often as said."""
        number = int((self._clock() - self._began_s) / SLICE_S)
        if number != self._number or len(self._noted) >= FOLD_AFTER:
            self._fold(number)
        self._noted += [seconds] * times

    def quantiles(self, wanted: Iterable[float]) -> list[float]:
        """Return these quantiles in microseconds; NaN if nothing has happened in the last minute."""
        self._fold(int((self._clock() - self._began_s) / SLICE_S))
        if not self._slices:
            return [float("nan") for _ in wanted]
        cumulative = np.cumsum(sum(self._slices.values()))
        ranks = np.maximum(np.ceil(np.array(list(wanted)) * cumulative[-1]), 1)
        return [_value(place) for place in np.searchsorted(cumulative, ranks).tolist()]

    def _fold(self, number: int) -> None:
        """Count what has been noted, and begin the slice of that number."""
        if self._noted:
            micros = np.minimum(np.array(self._noted) * 1e6, _MOST).astype(np.int64)
            self._noted.clear()
            counts = np.bincount(_bins(micros), minlength=_BINS)
            self._slices[self._number] = self._slices.get(self._number, 0) + counts
        self._number = number
        for old in [one for one in self._slices if one <= number - SLICES]:
            del self._slices[old]


def _bins(micros: Any) -> Any:
    """(n,) int64, not negative → the bin of each."""
    dropped = np.maximum(np.frexp(micros)[1] - _EXACT_BITS, 0)  # bits that do not tell
    return dropped * _STEPS + (micros >> dropped)


def _value(place: int) -> float:
    """The middle of a bin."""
    dropped = max(place // _STEPS - 1, 0)
    return float((place - dropped * _STEPS << dropped) + (1 << dropped) // 2)
