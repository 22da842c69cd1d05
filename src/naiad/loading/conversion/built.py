"""The course of families that our own builder knows: the folder stays a checkpoint, whose graph is built at load."""

from __future__ import annotations

from pathlib import Path

from naiad.convert.cache import Converted
from naiad.convert.export.process import TorchProcess, has_torch
from naiad.convert.gate.check import Gate
from naiad.convert.gate.limits import Setting
from naiad.convert.gate.report import Finding, Report
from naiad.convert.gate.runners import Answers, tokens
from naiad.convert.halved import halve_weights
from naiad.core.errors import NaiadError
from naiad.loading.conversion.bench.memory import resident_bytes
from naiad.loading.conversion.builders import Builder
from naiad.loading.conversion.course import Outcome, Request, Variant, worst
from naiad.loading.conversion.folder import copy_checkpoint, folder_bytes
from naiad.repository.modules import body_folder

OWN = "the float32 graph"
NOT_CHECKED = "not checked against transformers: the torch extra is not installed (pip install 'naiad[torch]')"


class BuiltCourse:
    """See Course."""

    def __init__(self, request: Request, builder: Builder, work: Path) -> None:
        """work: a folder of its own, where intermediate things may lie."""
        self.precisions = builder.precisions
        self._builder = builder
        self._request = request
        self._work = work
        self._notes: list[str] = []
        self._findings: list[Finding] = []
        self._variants: list[Variant] = []

    def run(self) -> Outcome:
        """See Course."""
        request = self._request
        full = self._convert(request.subject.folder, "none")
        samples = self._builder.samples(request.subject, full, request.data)
        gate = request.gate(samples)
        graph, reference = full, "nothing"
        if request.setting is not Setting.OFF:
            expected, reference = self._transformers(gate)
            answers = self._check("fp32", full, gate, expected, reference)
            if expected is None:
                reference = f"{OWN} ({NOT_CHECKED})"
            graph = self._lower(gate, expected or answers, reference if expected else OWN) or full
        else:
            self._notes.append("the gate was off: nothing was compared")
            graph = self._lower(gate, None, "") or full
        longest = max(map(tokens, samples)) or max(request.subject.size)
        notes, findings = tuple(self._notes), tuple(self._findings)
        report = Report(request.setting, reference, len(samples), longest, findings, notes=notes)
        facts = {"family": full.spec.architecture}
        return Outcome("builder", report, graph.graph, facts, samples, self._variants)

    def write(self, folder: Path) -> None:
        """See Course."""
        copy_checkpoint(self._request.subject.folder, folder)
        if self._request.precision == "fp16":
            halve_weights(body_folder(folder))

    def _convert(self, folder: Path, quantize: str) -> Converted:
        precision = self._request.precision if quantize == "none" else quantize
        self._request.progress(f"building the graph ({precision if folder != self._work else 'fp16'})", 0, 0)
        return self._builder.convert(folder, self._request.subject, quantize, self._work / "cache")

    def _transformers(self, gate: Gate) -> tuple[list[Answers] | None, str]:
        """What transformers answers, if it is there and can load the model."""
        if not has_torch():
            self._notes.append(NOT_CHECKED)
            return None, OWN
        subject = self._request.subject
        try:
            with TorchProcess(subject.folder, subject.head, progress=self._request.progress) as torch:
                return torch.answer(gate.samples), torch.version
        except NaiadError as error:
            self._notes.append(f"not checked against transformers: {error.message}")
            return None, OWN

    def _check(
        self, precision: str, converted: Converted, gate: Gate, expected: list[Answers] | None, against: str
    ) -> list[Answers]:
        """Run a graph alone and in company, note what is found, keep it for the latency table."""
        before = resident_bytes()
        runner = self._builder.runner(converted)
        alone = gate.alone(runner, f"checking {precision}")
        added = max(0, resident_bytes() - before)
        found = [] if expected is None else gate.against(precision, alone, expected, against)
        self._findings += [*found, *gate.in_company(precision, runner, alone)]
        size = folder_bytes(converted.graph.parent)
        self._variants.append(Variant(f"Naiad ({precision.upper()})", runner, size, added, worst(found)))
        return alone

    def _lower(self, gate: Gate, expected: list[Answers] | None, against: str) -> Converted | None:
        """The graph of the precision asked for, checked; None where that is float32."""
        precision = self._request.precision
        if precision == "fp32":
            return None
        if precision == "fp16":
            halved = self._work / "halved"
            self.write(halved)
            converted = self._convert(halved, "none")
        else:
            converted = self._convert(self._request.subject.folder, precision)
        if expected is not None:
            self._check(precision, converted, gate, expected, against)
        return converted
