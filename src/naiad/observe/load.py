"""Reads how busy the server is, from the statistics of its models and from the machine.

Whoever asks often is told the same for a moment, so that a report with every answer stays cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from naiad.core.clock import Clock, monotonic
from naiad.core.load import Load
from naiad.observe.machine import CpuMeter
from naiad.observe.metrics.exposition import Family
from naiad.observe.statistics import ModelStatistics

WAITING = ("naiad_requests_waiting", "Requests that wait for an instance, of all models")
RUNNING = ("naiad_requests_running", "Requests that instances have in hand, of all models")

FRESH_S = 0.02
"""How long counts are told again."""
RATE_S = 1.0
"""The least time over which rates, and the use of the processors, are taken."""


class LoadMeter:
    """The load of one server; used on the event loop's thread."""

    def __init__(self, models: Callable[[], Iterable[ModelStatistics]], clock: Clock = monotonic) -> None:
        """models: gives the statistics of all loaded model versions."""
        self._models = models
        self._clock = clock
        self._cpu = CpuMeter()
        self._load: Load | None = None
        self._read_s = 0.0
        self._rated_s = clock()
        self._rates = (0.0, 0.0, 0.0, 0.0)
        """Of processors, memory, requests, failures."""
        self._counted = (0, 0)
        """Requests and failures at `_rated_s`."""

    def read(self) -> Load:
        """Return the load, at most `FRESH_S` old."""
        now_s = self._clock()
        if self._load is None or now_s - self._read_s >= FRESH_S:
            self._read_s = now_s
            models = list(self._models())
            if self._load is None or now_s - self._rated_s >= RATE_S:
                self._rate(models, now_s)
            waiting, running = count(models)
            self._load = Load(waiting, running, *self._rates)
        return self._load

    def _rate(self, models: Iterable[ModelStatistics], now_s: float) -> None:
        requests = failures = 0
        for model in models:
            requests += model.success.count + model.fail.count
            failures += model.fail.count
        passed_s = now_s - self._rated_s
        # A model that was unloaded has taken its counts along: nothing is better than a rate below zero.
        gone = [max(0, new - old) for new, old in zip((requests, failures), self._counted, strict=True)]
        cpu, total, used = self._cpu.read()
        per_s = [each / passed_s if passed_s else 0.0 for each in gone]
        self._rates = (cpu, used / total if total else 0.0, per_s[0], per_s[1])
        self._counted, self._rated_s = (requests, failures), now_s


def count(models: Iterable[ModelStatistics]) -> tuple[int, int]:
    """Return how many requests wait, and how many instances have in hand."""
    waiting = running = 0
    for model in models:
        waiting += model.count_pending()
        running += model.count_running()
    return waiting, running


def load_families(models: Iterable[ModelStatistics]) -> Iterator[Family]:
    """Give the gauges that pickers of endpoints read: one number for each server, so without labels."""
    for texts, value in zip((WAITING, RUNNING), count(models), strict=True):
        family = Family(*texts, "gauge")
        family.add({}, value)
        yield family
