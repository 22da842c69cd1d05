"""A conversion's summary for people, and its document for programs."""

from __future__ import annotations

from typing import Any

from naiad.convert.gate.report import Finding
from naiad.loading.conversion.course import Outcome, Request


def document(request: Request, outcome: Outcome, out: str) -> dict[str, Any]:
    """Return what --json prints."""
    return {
        "out": out,
        "task": request.subject.task,
        "family": request.subject.family,
        "precision": request.precision,
        "by": outcome.by,
        **outcome.facts,
        "gate": outcome.report.document(),
    }


def print_summary(request: Request, outcome: Outcome, out: str) -> None:
    """Print what was converted, how it was checked and how to serve it."""
    report = outcome.report
    how = "built by Naiad" if outcome.by == "builder" else f"exported with {outcome.facts.get('exporter', 'torch')}"
    print(f"{request.subject.family} for {request.subject.task}, {request.precision}, {how}")
    print(f"checked against {report.reference}: {report.inputs} inputs, the longest {report.longest}")
    for finding in report.findings:
        print(f"  {finding_line(finding)}")
    for note in report.notes:
        print(f"note: {note}")
    if out:
        print(f"written: {out}")


def finding_line(finding: Finding) -> str:
    """Return the line that compares one output with one reference."""
    found = finding.comparison
    parts = [
        f"largest difference {found.max_difference:.2g} ({found.relative:.1g} of its scale)",
        f"mean {found.mean_difference:.2g}",
        f"lowest cosine {found.lowest_cosine:.6f}",
    ]
    if found.same_best is not None:
        parts.append(f"same best answer {found.same_best:.2%}")
    return f"{finding.precision} {found.output} against {finding.against}: {', '.join(parts)}"
