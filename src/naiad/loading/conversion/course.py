"""One conversion from beginning to end: build or export, gate, lower the precision, gate again, write.

Two courses of one shape, `built.py` and `exported.py`; this file chooses between them and says what they take and give.
Nothing is seen of OUT before everything has passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from naiad.convert.export.process import Progress, silent
from naiad.convert.gate.check import Gate
from naiad.convert.gate.limits import Setting
from naiad.convert.gate.report import Finding, Report
from naiad.convert.gate.runners import Runner, Sample
from naiad.loading.conversion.subject import Subject


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for."""

    subject: Subject
    precision: str = "fp32"
    setting: Setting = Setting.DEFAULT
    relative: float | None = None
    """Limit for float32's largest difference, as a part of the output's scale."""
    data: Path | None = None
    """The user's texts for the gate."""
    opset: int | None = None
    from_torch: bool = False
    """Export although our builder knows the family; pickled weights are opened too."""
    progress: Progress = silent

    def gate(self, samples: Sequence[Sample]) -> Gate:
        """The gate for these samples."""
        return Gate(samples, self.setting, self.relative, self.progress)


@dataclass(slots=True)
class Variant:
    """One way to run the model, for the latency table."""

    label: str
    runner: Runner
    bytes_on_disk: int
    resident_bytes: int
    """What opening it added to this process."""
    difference: float | None = None
    """Largest difference to the reference as a part of the scale; None: not measured."""


@dataclass(slots=True)
class Outcome:
    """What a course came to."""

    by: str
    """builder or exporter."""
    report: Report
    graph: Path
    """The graph that was checked."""
    facts: dict[str, Any] = field(default_factory=dict)
    """For the record: which exporter, which versions."""
    samples: Sequence[Sample] = ()
    variants: list[Variant] = field(default_factory=list)


class Course(Protocol):
    """Building or exporting."""

    precisions: tuple[str, ...]
    """What there is for this family."""

    def run(self) -> Outcome:
        """Convert and check; the outcome's report may say that it is not good enough. Raises NaiadError."""
        ...

    def write(self, folder: Path) -> None:
        """Write a checkpoint folder that can be served; after `run`."""
        ...


def worst(findings: Sequence[Finding]) -> float | None:
    """The largest relative difference among findings; None without any."""
    return max((finding.comparison.relative for finding in findings), default=None)
