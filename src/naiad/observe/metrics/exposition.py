"""Metrics as text: Prometheus' text format 0.0.4, to the letter as Triton writes it.

Numbers have up to 16 significant digits and no `.0`, as prometheus-cpp writes them: `25276514304`, `0`, `0.25`. Labels
are in alphabetical order, but for `le` and `quantile`, which come last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isinf, isnan

_LAST = ("le", "quantile")


@dataclass(slots=True)
class Family:
    """One metric: its name, and a line for each set of labels."""

    name: str
    help: str
    kind: str
    """counter, gauge, histogram or summary."""
    lines: list[tuple[str, Mapping[str, str], float]] = field(default_factory=list)
    """What follows the name (`_bucket`, often nothing), labels, value."""

    def add(self, labels: Mapping[str, str], value: float, suffix: str = "") -> None:
        """Add a line."""
        self.lines.append((suffix, labels, value))

    def add_histogram(self, labels: Mapping[str, str], buckets: Iterable[tuple[float, int]], total: float) -> None:
        """Add all lines of a histogram; buckets: (upper bound, how many values up to it), the last one infinite."""
        rows = list(buckets)
        self.add(labels, rows[-1][1], "_count")
        self.add(labels, total, "_sum")
        for bound, count in rows:
            self.add({**labels, "le": number(bound)}, count, "_bucket")

    def add_summary(
        self, labels: Mapping[str, str], quantiles: Iterable[tuple[float, float]], count: int, total: float
    ) -> None:
        """Add all lines of a summary; quantiles: (which, value), NaN where there is none."""
        self.add(labels, count, "_count")
        self.add(labels, total, "_sum")
        for which, value in quantiles:
            self.add({**labels, "quantile": number(which)}, value)


def write_page(families: Iterable[Family]) -> bytes:
    """Return the text of all families, UTF-8."""
    return "".join(line for family in families for line in _lines(family)).encode()


def number(value: float) -> str:
    """Write a number as Triton does."""
    if isnan(value):
        return "Nan"
    if isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:.16g}"


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {_escaped(family.help)}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for suffix, labels, value in family.lines:
        written = ",".join(f'{name}="{_quoted(labels[name])}"' for name in sorted(labels, key=_order))
        yield f"{family.name}{suffix}{f'{{{written}}}' if written else ''} {number(value)}\n"


def _order(label: str) -> tuple[bool, str]:
    return label in _LAST, label


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
