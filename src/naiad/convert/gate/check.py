"""The gate's course: a candidate alone against the reference, then in company against itself alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from naiad.convert.gate.compare import compare
from naiad.convert.gate.limits import Setting
from naiad.convert.gate.report import ALONE, Finding, judge
from naiad.convert.gate.runners import Answers, Runner, Sample, tokens
from naiad.core.errors import GateFailed, ModelFailed

TOGETHER = 8
"""Inputs of one batch; neighbours differ in length."""

LONG = 256
"""Tokens from which an input has only one other beside it, so that padding does not take the memory."""


@dataclass(frozen=True, slots=True)
class Gate:
    """How one conversion is judged."""

    samples: Sequence[Sample]
    setting: Setting = Setting.DEFAULT
    relative: float | None = None
    """Limit for float32's largest difference instead of the table's."""
    advance: Callable[[str, int, int], None] = field(default=lambda *_: None)
    """Told what is being run, and how many of how many are done."""

    def alone(self, runner: Runner, what: str) -> list[Answers]:
        """Answers to each sample by itself."""
        answers: list[Answers] = []
        for number, sample in enumerate(self.samples):
            answers += self._run(runner, what, [sample])
            self.advance(what, number + 1, len(self.samples))
        return answers

    def against(
        self, precision: str, answers: Sequence[Answers], reference: Sequence[Answers], name: str
    ) -> list[Finding]:
        """Compare the outputs that both have."""
        shared = [output for output in answers[0] if output in reference[0]]
        return [
            judge(
                precision,
                name,
                compare(output, [one[output] for one in reference], [one[output] for one in answers]),
                self.setting,
                relative=self.relative,
            )
            for output in shared
        ]

    def in_company(self, precision: str, runner: Runner, alone: Sequence[Answers]) -> list[Finding]:
        """Run batches of mixed lengths and compare each answer with the one given alone."""
        what = f"checking {precision} in mixed batches"
        answers = [answer for batch in batches(self.samples) for answer in self._run(runner, what, batch)]
        return self.against(precision, answers, alone, ALONE)

    def _run(self, runner: Runner, what: str, samples: Sequence[Sample]) -> list[Answers]:
        """Run samples together. Raises GateFailed where the graph cannot take them: it was recorded for others."""
        try:
            return runner.run(samples)
        except ModelFailed as error:
            raise GateFailed(
                f"{what}: the converted model fails where the original does not: {error.message}"
            ) from error


def batches(samples: Sequence[Sample]) -> list[Sequence[Sample]]:
    """Cut into batches in the order given; a long text is only with its neighbour, sound with sound as long."""
    made: list[Sequence[Sample]] = []
    begin = 0
    while begin < len(samples):
        size = TOGETHER
        if any(tokens(sample) >= LONG for sample in samples[begin : begin + size]):
            size = 2
        batch = _alike(samples[begin : begin + size])
        made.append(batch)
        begin += len(batch)
    return made


def _alike(samples: Sequence[Sample]) -> Sequence[Sample]:
    """The first of these that can be stacked: all texts, which are padded; else those of the first one's shape."""
    if tokens(samples[0]):
        return samples
    shapes = [[array.shape for array in sample.values()] for sample in samples]
    end = next((at for at, shape in enumerate(shapes) if shape != shapes[0]), len(samples))
    return samples[:end]
