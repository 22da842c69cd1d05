"""The course of families that our own builder knows: the folder stays a checkpoint, whose graph is built at load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from naiad.convert.cache import Converted
from naiad.convert.encoder.sentence import plain_pooling
from naiad.convert.export.process import TorchProcess, has_torch
from naiad.convert.gate.check import Gate
from naiad.convert.gate.limits import Setting
from naiad.convert.gate.report import Finding, Report
from naiad.convert.gate.runners import Answers, tokens
from naiad.convert.halved import halve_weights
from naiad.core.encoding.pooling import normalized, pool
from naiad.core.errors import NaiadError, Unsupported
from naiad.loading.conversion.bench.memory import resident_bytes
from naiad.loading.conversion.builders import Builder
from naiad.loading.conversion.course import Outcome, Request, Variant, worst
from naiad.loading.conversion.folder import copy_checkpoint, folder_bytes
from naiad.repository.checkpoint import Checkpoint

OWN = "the float32 graph"
NOT_CHECKED = "not checked against transformers"
NOT_INSTALLED = f"{NOT_CHECKED}: the torch extra is not installed (pip install 'naiad[torch]')"


@dataclass(frozen=True, slots=True)
class Truth:
    """What answers are compared with: transformers', and where it has none our own float32 graph's."""

    name: str = ""
    """Name and version of transformers; empty without it."""
    answers: Sequence[Answers] = ()
    own: Sequence[Answers] = ()

    @property
    def rest(self) -> list[Answers]:
        """Our own answers of outputs that transformers does not give."""
        theirs = self.answers[0].keys() if self.answers else set()
        return [{name: array for name, array in one.items() if name not in theirs} for one in self.own]


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
        if request.setting is Setting.OFF:
            self._notes.append("the gate was off: nothing was compared")
            reference, graph = "nothing", self._lower(gate, Truth()) or full
        else:
            truth = self._transformers(gate)
            answers = self._check("fp32", full, gate, truth)
            if truth.answers and not answers[0].keys() & truth.answers[0].keys():
                self._notes.append(
                    f"transformers gives none of {', '.join(answers[0])}, so these were not compared with it"
                )
                truth = Truth()
            reference = truth.name or f"{OWN} ({NOT_CHECKED})"
            graph = self._lower(gate, replace(truth, own=answers)) or full
        longest = max(map(tokens, samples)) or max(request.subject.size)
        notes, findings = tuple(self._notes), tuple(self._findings)
        report = Report(request.setting, reference, len(samples), longest, findings, notes=notes)
        facts = {"family": full.spec.architecture}
        return Outcome("builder", report, graph.graph, facts, samples, self._variants)

    def write(self, folder: Path) -> None:
        """See Course."""
        copy_checkpoint(self._request.subject.folder, folder)
        if self._request.precision == "fp16":
            halve_weights(Checkpoint(folder).body)

    def _convert(self, folder: Path, quantize: str) -> Converted:
        precision = self._request.precision if quantize == "none" else quantize
        self._request.progress(f"building the graph ({precision if folder != self._work else 'fp16'})", 0, 0)
        return self._builder.convert(folder, self._request.subject, quantize, self._work / "cache")

    def _transformers(self, gate: Gate) -> Truth:
        """What transformers answers, if it is there and can load the model."""
        if not has_torch():
            self._notes.append(NOT_INSTALLED)
            return Truth()
        subject = self._request.subject
        try:
            with TorchProcess(subject.folder, subject.head, progress=self._request.progress) as torch:
                return Truth(torch.version, with_embeddings(torch.answer(gate.samples), subject.checkpoint))
        except NaiadError as error:
            self._notes.append(f"{NOT_CHECKED}: {error.message}")
            return Truth()

    def _check(self, precision: str, converted: Converted, gate: Gate, truth: Truth) -> list[Answers]:
        """Run a graph alone and in company, note what is found, keep it for the latency table."""
        before = resident_bytes()
        runner = self._builder.runner(converted)
        alone = gate.alone(runner, f"checking {precision}")
        added = max(0, resident_bytes() - before)
        found = [
            finding
            for reference, name in ((truth.answers, truth.name), (truth.rest, OWN))
            if reference
            for finding in gate.against(precision, alone, reference, name)
        ]
        self._findings += [*found, *gate.in_company(precision, runner, alone)]
        size = folder_bytes(converted.graph.parent)
        self._variants.append(Variant(f"Naiad ({precision.upper()})", runner, size, added, worst(found)))
        return alone

    def _lower(self, gate: Gate, truth: Truth) -> Converted | None:
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
        if self._request.setting is not Setting.OFF:
            self._check(precision, converted, gate, truth)
        return converted


def with_embeddings(answers: list[Answers], checkpoint: Checkpoint) -> list[Answers]:
    """Add the vector that the checkpoint's modules make of the states, where that is pooling and no more."""
    if not answers or "last_hidden_state" not in answers[0] or not checkpoint.modules:
        return answers
    try:
        pooling, normalize = plain_pooling(checkpoint)
    except Unsupported:
        return answers
    vectors = [pool(answer["last_hidden_state"], "+".join(pooling.modes)) for answer in answers]
    vectors = [normalized(vector) if normalize else vector for vector in vectors]
    return [{**answer, "embedding": vector} for answer, vector in zip(answers, vectors, strict=True)]
