"""The course of every other family: torch exports the graph in a child process, and the folder holds it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from naiad.convert.export.models import TEXT
from naiad.convert.export.process import TorchProcess
from naiad.convert.gate.check import Gate
from naiad.convert.gate.limits import Setting
from naiad.convert.gate.report import Finding, Report
from naiad.convert.gate.runners import Answers, GraphRunner, Sample, tokens
from naiad.convert.onnx_file import describe_candidate
from naiad.convert.rewriting.graph_file import read_graph, write_graph
from naiad.convert.rewriting.precision import PRECISIONS, lower_precision
from naiad.core.errors import GateFailed
from naiad.loading.conversion.bench.memory import resident_bytes
from naiad.loading.conversion.course import Outcome, Request, Variant, worst
from naiad.loading.conversion.folder import copy_checkpoint, folder_bytes
from naiad.loading.conversion.samples import made_up_samples, text_samples
from naiad.loading.conversion.subject import SERVED
from naiad.repository.checkpoint import Checkpoint

GRAPH = "model.onnx"


class ExportedCourse:
    """See Course."""

    precisions: tuple[str, ...] = ("fp32", *PRECISIONS)

    def __init__(self, request: Request, work: Path) -> None:
        """work: a folder of its own, where intermediate things may lie."""
        self._request = request
        self._work = work
        self._notes: list[str] = []
        self._findings: list[Finding] = []
        self._variants: list[Variant] = []
        self._independent = True
        self._graph = work / "fp32" / GRAPH

    def run(self) -> Outcome:
        """See Course."""
        request, subject = self._request, self._request.subject
        exported = self._work / "exported" / GRAPH
        exported.parent.mkdir(parents=True)
        with TorchProcess(subject.folder, subject.head, pickles=request.from_torch, progress=request.progress) as torch:
            done = torch.export(exported, opset=request.opset, size=subject.size)
            self._write_graph(exported, "fp32")
            samples = self._samples()
            gate = request.gate(samples)
            checks = request.setting is not Setting.OFF
            expected = torch.answer(samples) if checks else None
        self._notes += [f"another exporter was tried first: {failure}" for failure in done["failures"]]
        if subject.task not in SERVED:
            self._notes.append(f"`naiad serve` has no task {subject.task} yet; any ONNX Runtime runs onnx/model.onnx")
        if not checks:
            self._notes.append("the gate was off: nothing was compared")
        if expected is not None:
            self._check("fp32", gate, expected, torch.version)
        if request.precision != "fp32" and not self._objections:
            self._write_graph(exported, request.precision)
            if expected is not None:
                self._check(request.precision, gate, expected, torch.version)
        facts = {"exporter": done["exporter"], "class": torch.facts["class"], "torch": torch.facts["torch"]}
        return Outcome("exporter", self._report(samples, torch.version), self._graph, facts, samples, self._variants)

    def write(self, folder: Path) -> None:
        """See Course."""
        copy_checkpoint(self._request.subject.folder, folder, weights=False)
        place = Checkpoint(folder).body / "onnx"
        place.mkdir()
        for file in self._graph.parent.iterdir():
            shutil.copyfile(file, place / file.name)

    def _write_graph(self, exported: Path, precision: str) -> None:
        self._request.progress(f"writing the graph ({precision})", 0, 0)
        model: Any = read_graph(exported)
        if precision != "fp32":
            lower_precision(model, precision)
        self._graph = self._work / precision / GRAPH
        self._graph.parent.mkdir()
        write_graph(model, self._graph)

    def _samples(self) -> list[Sample]:
        subject = self._request.subject
        if subject.kind != TEXT:
            return made_up_samples(subject.kind, subject.size)
        spec = describe_candidate(self._graph, subject.folder, subject.head)
        return text_samples(subject.folder, spec, self._request.data)

    def _check(self, precision: str, gate: Gate, expected: list[Answers], against: str) -> None:
        before = resident_bytes()
        runner = GraphRunner(self._graph, pad_token_id=int(self._request.subject.config.get("pad_token_id") or 0))
        alone = gate.alone(runner, f"checking {precision}")
        added = max(0, resident_bytes() - before)
        found = gate.against(precision, alone, expected, against)
        self._findings += [*found, *self._in_company(precision, runner, gate, alone)]
        size = folder_bytes(self._graph.parent)
        self._variants.append(Variant(f"ONNX Runtime ({precision.upper()})", runner, size, added, worst(found)))

    def _in_company(self, precision: str, runner: GraphRunner, gate: Gate, alone: list[Answers]) -> list[Finding]:
        """What comes of mixed lengths together. Some families' own answers depend on padding: noted, not refused.

        So are graphs that cannot run them together at all: what reads the end tokens of a batch wants as many of each.
        """
        try:
            findings = gate.in_company(precision, runner, alone)
        except GateFailed:
            findings = []
        if findings and all(not finding.objections for finding in findings):
            return findings
        self._independent = False
        self._notes.append(f"{precision}: answers depend on what else is in a batch; inputs have to be run one by one")
        return [replace(finding, objections=()) for finding in findings]

    @property
    def _objections(self) -> bool:
        return any(finding.objections for finding in self._findings)

    def _report(self, samples: list[Sample], reference: str) -> Report:
        checked = self._request.setting is not Setting.OFF
        return Report(
            self._request.setting,
            reference if checked else "nothing",
            len(samples),
            max(map(tokens, samples)) or max(self._request.subject.size),
            tuple(self._findings),
            self._independent,
            tuple(self._notes),
        )
