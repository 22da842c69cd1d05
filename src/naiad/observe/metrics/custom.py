"""Metrics that models make for themselves, on the page beside the server's own.

All who name the same metric and labels share it, whichever model or process they are; it is on the page while anybody
holds it. A thing of several threads, so everything here is under one lock.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from math import inf

from naiad.core.errors import InvalidRequest, NotFound
from naiad.observe.metrics.exposition import Family

KINDS = ("counter", "gauge", "histogram")

MOST_SERIES = 10_000
"""Of all models together: each is a line, or several, of every page."""

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OURS = ("nv_", "naiad_")

Labels = tuple[tuple[str, str], ...]


class _Declared:
    """One metric."""

    def __init__(self, text: str, kind: str) -> None:
        self.text = text
        self.kind = kind
        self.series: dict[Labels, _Series] = {}


class _Series:
    """One set of labels."""

    def __init__(self, buckets: Sequence[float]) -> None:
        self.value = 0.0
        self.holders = 0
        self.bounds = (*buckets, inf)
        self.counts = [0] * len(self.bounds)

    def observe(self, value: float) -> None:
        self.value += value
        self.counts[next(at for at, bound in enumerate(self.bounds) if value <= bound)] += 1


class CustomMetrics:
    """See `naiad.core.model.host.CustomMetrics`."""

    def __init__(self) -> None:
        self._declared: dict[str, _Declared] = {}
        self._lock = threading.Lock()

    def declare(self, name: str, text: str, kind: str) -> None:
        """See there."""
        if kind not in KINDS:
            raise InvalidRequest(f"'{kind}' is no kind of metric; known: {', '.join(KINDS)}")
        if not _NAME.fullmatch(name) or name.startswith(_OURS):
            raise InvalidRequest(
                f"a metric cannot be called '{name[:100]}'; use letters, digits, underscores and colons, and begin "
                f"with neither a digit nor {' nor '.join(_OURS)}"
            )
        with self._lock:
            known = self._declared.setdefault(name, _Declared(text, kind))
            if known.kind != kind:
                raise InvalidRequest(f"there is a metric '{name}' of another kind, a {known.kind}")

    def open(self, name: str, labels: Mapping[str, str], buckets: Sequence[float] | None) -> Metric:
        """See there."""
        for label in labels:
            if not _LABEL.fullmatch(label) or label in ("le", "quantile"):
                raise InvalidRequest(f"metric '{name}': a label cannot be called '{label[:100]}'")
        bounds = tuple(buckets or ())
        if any(not left < right for left, right in pairwise(bounds)) or any(bound != bound for bound in bounds):
            raise InvalidRequest(f"metric '{name}': buckets must be numbers in ascending order, not {list(bounds)}")
        with self._lock:
            declared = self._declared.get(name)
            if declared is None:
                raise NotFound(f"there is no metric '{name}'")
            key = tuple(sorted(labels.items()))
            if key not in declared.series and sum(len(one.series) for one in self._declared.values()) >= MOST_SERIES:
                raise InvalidRequest(f"models have made {MOST_SERIES} metrics already; no more are taken")
            series = declared.series.setdefault(key, _Series(bounds))
            series.holders += 1
        return Metric(self, name, key, series, self._lock)

    def families(self) -> Iterator[Family]:
        """Give what there is, for the page."""
        with self._lock:
            for name, declared in self._declared.items():
                if declared.series:
                    yield _family(name, declared)

    def close(self, name: str, labels: Labels) -> None:
        """Note that one who held a metric has let go of it; with the lock held."""
        series = self._declared[name].series
        series[labels].holders -= 1
        if not series[labels].holders:
            del series[labels]


class Metric:
    """See `naiad.core.model.host.CustomMetric`."""

    def __init__(self, owner: CustomMetrics, name: str, labels: Labels, series: _Series, lock: threading.Lock) -> None:
        self._owner: CustomMetrics | None = owner
        self._name = name
        self._labels = labels
        self._series = series
        self._lock = lock

    def increment(self, value: float) -> None:
        """See there."""
        with self._lock:
            self._series.value += value

    def set(self, value: float) -> None:
        """See there."""
        with self._lock:
            self._series.value = value

    def observe(self, value: float) -> None:
        """See there."""
        with self._lock:
            self._series.observe(value)

    @property
    def value(self) -> float:
        """See there."""
        with self._lock:
            return self._series.value

    def close(self) -> None:
        """See there."""
        with self._lock:
            owner, self._owner = self._owner, None
            if owner is not None:
                owner.close(self._name, self._labels)


def _family(name: str, declared: _Declared) -> Family:
    family = Family(name, declared.text, declared.kind)
    for labels, series in declared.series.items():
        if declared.kind == "histogram":
            family.add_histogram(dict(labels), zip(series.bounds, accumulate(series.counts), strict=True), series.value)
        else:
            family.add(dict(labels), series.value)
    return family
