"""Metrics of a model's own, shown on the server's metrics page; all instances of a model share one of a name."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from ..link import current
from .errors import TritonModelException

_numbers = itertools.count(1)


class Metric:
    """One set of labels of a family; it is gone from the page when this object is."""

    def __init__(self, family: MetricFamily, labels: Mapping[str, str] | None, buckets: Sequence[float] | None) -> None:
        self._family = family
        self._number = next(_numbers)
        self._is_open = False
        known = {str(key): str(value) for key, value in (labels or {}).items()}
        bounds = None if buckets is None else [float(bound) for bound in buckets]
        current().ask("metric", family=family._number, metric=self._number, labels=known, buckets=bounds)
        self._is_open = True

    def increment(self, value: float) -> None:
        """Add to a counter or a gauge. Raises TritonModelException for a counter that would fall."""
        if self._family._kind == MetricFamily.COUNTER and value < 0:
            raise _refused("increment", "can only be incremented monotonically by non-negative values.")
        if self._family._kind == MetricFamily.HISTOGRAM:
            raise TritonModelException("a histogram cannot be incremented; use observe()")
        current().tell("increment", metric=self._number, value=float(value))

    def set(self, value: float) -> None:
        """Set a gauge."""
        if self._family._kind == MetricFamily.HISTOGRAM:
            raise TritonModelException("only a gauge can be set")
        if self._family._kind == MetricFamily.COUNTER:
            raise _refused("set", "does not support Set")
        current().tell("set", metric=self._number, value=float(value))

    def observe(self, value: float) -> None:
        """Count a value in a histogram."""
        if self._family._kind != MetricFamily.HISTOGRAM:
            raise TritonModelException("only a histogram can observe values")
        current().tell("observe", metric=self._number, value=float(value))

    def value(self) -> float:
        """Return what a counter or a gauge is at now."""
        if self._family._kind == MetricFamily.HISTOGRAM:
            raise TritonModelException("a histogram has no single value")
        return float(current().ask("value", metric=self._number))

    def __del__(self) -> None:
        if self._is_open:
            current().tell("drop_metric", metric=self._number)


class MetricFamily:
    """A metric by its name, for which `Metric` makes one for each set of labels."""

    COUNTER = 0
    GAUGE = 1
    HISTOGRAM = 2

    def __init__(self, name: str, description: str, kind: int = COUNTER) -> None:
        """Raises TritonModelException for a name that cannot be, or that has another kind already."""
        self._kind = kind
        self._number = next(_numbers)
        if kind not in (self.COUNTER, self.GAUGE, self.HISTOGRAM):
            raise TritonModelException(f"{kind!r} is no kind of metric; use MetricFamily.COUNTER, GAUGE or HISTOGRAM")
        current().ask("family", family=self._number, name=str(name), text=str(description), kind=int(kind))

    def Metric(self, labels: Mapping[str, str] | None = None, buckets: Sequence[float] | None = None) -> Metric:  # noqa: N802 — Triton's
        """Return the metric of these labels; buckets: upper bounds, for a histogram."""
        if (buckets is None) == (self._kind == self.HISTOGRAM):
            raise TritonModelException("a histogram needs buckets, and nothing else has any")
        return Metric(self, labels, buckets)

    def __repr__(self) -> str:
        return f"MetricFamily(kind={self._kind})"


def _refused(what: str, why: str) -> TritonModelException:
    """Return the error for a counter, in Triton's words."""
    return TritonModelException(
        f"Failed to {what} metric value: Failed to process the request for model '{current().instance}', message: "
        f"TRITONSERVER_METRIC_KIND_COUNTER {why}"
    )
