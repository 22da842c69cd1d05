"""A conversion's summary for people, and its document for programs."""

from __future__ import annotations

import sys
from typing import Any

from naiad.convert.gate.report import Finding
from naiad.loading.conversion.course import Outcome, Request

WIDTH = 140
"""Characters of a line where no terminal says."""


def document(request: Request, outcome: Outcome, out: str) -> dict[str, Any]:
    """For --json."""
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
    from rich.console import Console
    from rich.table import Table

    report = outcome.report
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDTH)
    how = "built by Naiad" if outcome.by == "builder" else f"exported with {outcome.facts.get('exporter', 'torch')}"
    console.print(f"{request.subject.family} for {request.subject.task}, {request.precision}, {how}", markup=False)
    console.print(
        f"checked against {report.reference}: {report.inputs} inputs, the longest {report.longest}", markup=False
    )
    table = Table("precision", "output", "against", "max difference", "mean", "lowest cosine", "same best answer")
    for finding in report.findings:
        table.add_row(*_row(finding))
    if report.findings:
        console.print(table)
    for note in report.notes:
        console.print(f"note: {note}", markup=False)
    if out:
        console.print(f"written: {out}", markup=False)


def _row(finding: Finding) -> tuple[str, ...]:
    found = finding.comparison
    same = "" if found.same_best is None else f"{found.same_best:.2%}"
    return (
        finding.precision,
        found.output,
        finding.against,
        f"{found.max_difference:.2g} ({found.relative:.1g} of scale)",
        f"{found.mean_difference:.2g}",
        f"{found.lowest_cosine:.6f}",
        same,
    )
