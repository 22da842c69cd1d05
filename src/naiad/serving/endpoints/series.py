"""Custom statistics of an endpoint as Prometheus series, under the names that ClearML-Serving gives them.

`<endpoint>:<variable>`, whatever is neither letter, digit nor underscore replaced. A scalar is a histogram, cumulative
as Prometheus wants it; a value a gauge; an enum a counter for each of its words. Every endpoint has `:_latency` and
`:_count`. They outlive workers: what a worker tells is added here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from naiad.core.errors import NaiadError
from naiad.core.model.host import CustomMetric, CustomMetrics
from naiad.core.user_code.endpoint import Endpoint, Variable

LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0)
"""Bounds of `:_latency`."""

OTHER = "other"
"""What an enum counts values as that are none of its words."""

_KINDS = {"scalar": "histogram", "value": "gauge", "counter": "counter", "enum": "counter"}
_SUFFIX = {"scalar": "", "value": "", "counter": "_total", "enum": "_bucket"}
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_:]")

_log = logging.getLogger("naiad.model")


def series_name(url: str, variable: str) -> str:
    """Return the name of a series; one that would begin with a digit gets an underscore before it."""
    name = _ILLEGAL.sub("_", f"{url}:{variable}")
    return f"_{name}" if name[0].isdigit() else name


class Series:
    """The series of one endpoint."""

    def __init__(self, endpoint: Endpoint, metrics: CustomMetrics) -> None:
        """Raises InvalidRequest for names that cannot be, or are taken by a metric of another kind."""
        self._url = endpoint.url
        self._metrics = metrics
        self._held: list[CustomMetric] = []
        self._warned: set[str] = set()
        self._variables: dict[str, Variable] = dict(endpoint.variables)
        self._plain: dict[str, CustomMetric] = {}
        self._words: dict[str, dict[str, CustomMetric]] = {}
        try:
            self._latency = self._open("_latency", Variable("scalar", LATENCY_S))
            self._count = self._open("_count", Variable("counter"))
            for name, variable in self._variables.items():
                if variable.kind == "enum":
                    words = (*variable.words, OTHER)
                    self._words[name] = {word: self._open(name, variable, {"enum": word}) for word in words}
                else:
                    self._plain[name] = self._open(name, variable)
        except NaiadError:
            self.close()
            raise

    def ran(self) -> None:
        """Count one answered request."""
        self._count.increment(1)

    def collected(self, latency_s: float, values: Mapping[str, Any]) -> None:
        """Take what one request has to tell; what does not suit its variable is left out, and said once in the log."""
        self._latency.observe(latency_s)
        for name, found in values.items():
            variable = self._variables.get(name)
            for value in found if variable is not None else ():
                assert variable is not None
                if not self._take(name, variable, value) and name not in self._warned:
                    self._warned.add(name)
                    _log.warning(
                        "endpoint %s: %r is no value for '%s', a %s; it is left out",
                        self._url,
                        value,
                        name,
                        variable.kind,
                    )

    def close(self) -> None:
        """Let go of all of them."""
        for metric in self._held:
            metric.close()
        self._held.clear()

    def _take(self, name: str, variable: Variable, value: Any) -> bool:
        if variable.kind == "enum":
            word = value if isinstance(value, str) else f"{value:g}"
            words = self._words[name]
            words.get(word, words[OTHER]).increment(1)
            return True
        if isinstance(value, str):
            return False
        metric = self._plain[name]
        if variable.kind == "scalar":
            metric.observe(value)
        elif variable.kind == "value":
            metric.set(value)
        elif value < 0:
            return False
        else:
            metric.increment(value)
        return True

    def _open(self, variable: str, declared: Variable, labels: Mapping[str, str] | None = None) -> CustomMetric:
        name = series_name(self._url, variable) + _SUFFIX[declared.kind]
        self._metrics.declare(name, f"{declared.kind} '{variable}' of endpoint {self._url}", _KINDS[declared.kind])
        buckets = declared.buckets if declared.kind == "scalar" else None
        metric = self._metrics.open(name, labels or {}, buckets)
        self._held.append(metric)
        return metric
