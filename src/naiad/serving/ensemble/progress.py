"""How far one request has come: which tensors there are, which steps can run now, which answers are complete.

Pure bookkeeping; who runs the steps tells it of their answers. Each answer of a decoupled step begins a wave of its
own: the steps behind it run once in each, on the tensors of that answer alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from naiad.core.message import SequenceStep
from naiad.core.tensor import Tensor
from naiad.serving.ensemble.plan import Fit, Plan, Route


class Wave:
    """One pass through the steps of one stream."""

    __slots__ = ("missing", "outputs_missing", "sequences", "tensors", "uses")

    def __init__(self, plan: Plan, route: Route) -> None:
        self.missing = list(route.missing)
        """By step: tensors that are not there yet."""
        self.tensors: list[Tensor | None] = [None] * plan.tensors
        self.uses: list[int] = [len(readers) for readers in route.readers]
        """By tensor: steps that have not taken it yet."""
        self.outputs_missing = len(route.output_tensors)
        self.sequences: dict[int, SequenceStep] | None = None
        """By tensor: what the model that made it says of the sequence."""


class Run:
    """One step that is to run once."""

    __slots__ = ("inputs", "sequence", "step", "wave")

    def __init__(self, wave: Wave, step: int, inputs: dict[str, Tensor], sequence: SequenceStep | None) -> None:
        self.wave = wave
        self.step = step
        self.inputs = inputs
        """By the model's names; what no model has made is left out."""
        self.sequence = sequence
        """None: the request's own."""


class Progress:
    """One request on its way; `ready` and `complete` are for the caller to empty."""

    __slots__ = ("_plan", "_route", "_waves", "complete", "ready")

    def __init__(self, plan: Plan, route: Route) -> None:
        self._plan = plan
        self._route = route
        self._waves: deque[Wave] = deque()
        """Those whose answers have not been given, in the order in which they began."""
        self.ready: deque[Run] = deque()
        """Steps to run."""
        self.complete: deque[tuple[list[Tensor], SequenceStep | None]] = deque()
        """Answers: outputs, those that no model has made left out; and what was last said of the sequence."""

    def begin(self, inputs: Mapping[str, Tensor]) -> None:
        """Take the request's tensors."""
        wave = self._wave(0)
        for name, tensor, fit in self._plan.inputs:
            given = inputs.get(name)
            self._put(wave, tensor, None if given is None else _fitted(given, name, fit))
        self._finish()

    def answered(self, run: Run, outputs: Iterable[Tensor], sequence: SequenceStep | None = None) -> None:
        """Take an answer of a step. sequence: what it says of the sequence."""
        step = self._plan.steps[run.step]
        wave = self._wave(step.stream) if step.is_decoupled else run.wave
        sequence = sequence or run.sequence
        if sequence is not None:
            wave.sequences = wave.sequences or {}
            wave.sequences.update(dict.fromkeys(step.makes.values(), sequence))
        made = {tensor.name: tensor for tensor in outputs}
        for name, tensor in step.makes.items():
            self._put(wave, tensor, made.get(name))
        self._finish()

    def _wave(self, stream: int) -> Wave:
        wave = Wave(self._plan, self._route)
        if stream == self._route.stream:
            self._waves.append(wave)
        return wave

    def _put(self, wave: Wave, tensor: int, value: Tensor | None) -> None:
        route = self._route
        if tensor in route.output_tensors:
            wave.outputs_missing -= 1
            wave.tensors[tensor] = value
        elif wave.uses[tensor]:
            wave.tensors[tensor] = value
        for step in route.readers[tensor]:
            wave.missing[step] -= 1
            if not wave.missing[step]:
                self.ready.append(self._collect(wave, step))

    def _collect(self, wave: Wave, step: int) -> Run:
        """Take a step's tensors, and let go of those that nobody else needs."""
        planned, tensors, uses = self._plan.steps[step], wave.tensors, wave.uses
        inputs: dict[str, Tensor] = {}
        sequence: SequenceStep | None = None
        for name, tensor, fit in planned.reads:
            value = tensors[tensor]
            if value is not None:
                inputs[name] = _fitted(value, name, fit)
            if wave.sequences is not None and sequence is None:
                sequence = wave.sequences.get(tensor)
        for tensor in planned.waits_for:
            uses[tensor] -= 1
            if not uses[tensor] and tensor not in self._route.output_tensors:
                tensors[tensor] = None
        return Run(wave, step, inputs, sequence)

    def _finish(self) -> None:
        """Complete the answers whose turn it is."""
        waves = self._waves
        while waves and not waves[0].outputs_missing:
            wave = waves.popleft()
            outputs = []
            sequence = None
            for name, tensor, fit in self._route.outputs:
                value = wave.tensors[tensor]
                if value is not None:
                    outputs.append(_fitted(value, name, fit))
                if wave.sequences is not None:
                    sequence = wave.sequences.get(tensor, sequence)
            self.complete.append((outputs, sequence))


def _fitted(tensor: Tensor, name: str, fit: Fit) -> Tensor:
    return Tensor(name, tensor.datatype, tensor.data if fit is None else fit(tensor.data))
