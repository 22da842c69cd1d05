"""What the gate found: for people, for JSON, for the folder's own record."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from naiad.convert.gate.compare import Comparison
from naiad.convert.gate.limits import IN_COMPANY, Limits, Setting, limits_for, objections

ALONE = "each input alone"
"""The name of the reference that a batch is compared with."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One output held against one reference."""

    precision: str
    against: str
    """What it was compared with: transformers 5.24, our float32 graph, the same input alone."""
    comparison: Comparison
    objections: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """One conversion's findings."""

    setting: Setting
    reference: str
    """The furthest truth that was to be had: transformers, else our own float32 graph."""
    inputs: int
    longest: int
    """Tokens (samples, pixels a side) of the longest input."""
    findings: tuple[Finding, ...] = ()
    rows_are_independent: bool = True
    """Whether an answer is the same in company; if not, inputs have to be run one by one."""
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against it."""
        return not any(finding.objections for finding in self.findings)

    def objections(self) -> list[str]:
        """One sentence for each thing that is wrong."""
        return [
            f"{finding.precision}: {finding.comparison.output} against {finding.against}: {objection}"
            for finding in self.findings
            for objection in finding.objections
        ]

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "setting": str(self.setting),
            "passed": self.passed,
            "reference": self.reference,
            "inputs": self.inputs,
            "longest": self.longest,
            "rows_are_independent": self.rows_are_independent,
            "outputs": [
                {
                    "precision": finding.precision,
                    "against": finding.against,
                    **_finite(asdict(finding.comparison)),
                    "objections": list(finding.objections),
                }
                for finding in self.findings
            ],
            "notes": list(self.notes),
        }


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity."""
    return {name: None if value == float("inf") else value for name, value in values.items()}


def judge(
    precision: str, against: str, comparison: Comparison, setting: Setting, *, relative: float | None = None
) -> Finding:
    """Hold a comparison against its limits. With the setting off nothing is objected to."""
    if setting is Setting.OFF:
        return Finding(precision, against, comparison, ())
    limits = Limits(relative=IN_COMPANY[precision]) if against == ALONE else None
    limits = limits or limits_for(precision, setting, relative=relative)
    return Finding(precision, against, comparison, tuple(objections(comparison, limits)))
