"""How long runs take by their rows, learned from the runs themselves."""

from __future__ import annotations

from collections.abc import Sequence

from naiad.scheduling.learned.curve import Times

MOST_ROWS = 1024
"""Rows that are told apart; a larger run counts as one of so many."""

UP_RATE, DOWN_RATE = 0.1, 0.4
"""Share of a surprise that is believed: other work on the machine makes runs longer than they are, nothing shorter."""

LARGEST_STEP = 2.0
"""A run that took longer than so many times its expectation counts as that: the process may just have been stopped."""


class ServiceTimes:
    """Seconds of one model's runs."""

    def __init__(self, most_rows: int) -> None:
        self._most = min(most_rows, MOST_ROWS)
        self.known: dict[int, float] = {}
        """By rows, those that have been run."""
        self._table: Sequence[float] = ()

    def learn(self, rows: int, seconds: float) -> None:
        """Take notice of a run."""
        rows, seconds = min(rows, self._most), max(seconds, 1e-9)
        known = self.known.get(rows)
        if known is not None:
            surprise = min(seconds, known * LARGEST_STEP) - known
            seconds = known + surprise * (UP_RATE if surprise > 0 else DOWN_RATE)
        self.known[rows] = seconds
        self._table = ()

    @property
    def largest_s(self) -> float:
        """Seconds of the largest run so far, with which the table ends; something has run."""
        return self.known[max(self.known)]

    def table(self) -> Sequence[float]:
        """Seconds of 0 to the most rows; empty until something has run.

        Below and between what has run, on straight lines; never less than in proportion. Above it, the same as the
        largest that has run, so that a larger one is tried, and then known.
        """
        if not self._table and self.known:
            times = Times.of(self.known.items())
            inside = times.table(times.most)
            self._table = inside + inside[-1:] * (self._most - times.most)
        return self._table
