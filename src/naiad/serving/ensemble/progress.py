"""How far one request has come: which tensors there are, which steps can run now, which answers are complete.

Pure bookkeeping; who runs the steps tells it of their answers. Each answer of a decoupled step begins a wave of its
own: the steps behind it run once in each, on the tensors of that answer alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from naiad.core.errors import InvalidRequest
from naiad.core.message import Parameter, SequenceStep
from naiad.core.model.condition import Value
from naiad.core.tensor import Tensor
from naiad.serving.ensemble.plan import Fit, Plan, PlannedStep, Route


@dataclass(frozen=True, slots=True)
class Skipped:
    """In place of a tensor: the step that would have made it has not run, because of a condition."""

    step: int
    """Whose condition did not hold: its own, or that of a step before it."""


class Wave:
    """One pass through the steps of one stream."""

    __slots__ = ("alternatives", "made_by", "missing", "outputs_missing", "sequences", "tensors", "uses")

    def __init__(self, plan: Plan, route: Route) -> None:
        self.missing = list(route.missing)
        """By step: tensors that are not there yet."""
        self.tensors: list[Tensor | Skipped | None] = [None] * plan.tensors
        self.uses = list(route.uses)
        """By tensor: steps that have not taken it yet."""
        self.outputs_missing = len(route.output_tensors)
        self.sequences: dict[int, SequenceStep] | None = None
        """By tensor: what the model that made it says of the sequence."""
        self.alternatives = dict(route.alternatives) if route.alternatives else route.alternatives
        """By tensor that several steps may make: how many of them have not been skipped."""
        self.made_by: dict[int, int] = {}
        """By such a tensor: the step that runs."""


class Run:
    """One step that is to run once."""

    __slots__ = ("began_s", "inputs", "sequence", "step", "wave")

    def __init__(self, wave: Wave, step: int, inputs: dict[str, Tensor], sequence: SequenceStep | None) -> None:
        self.wave = wave
        self.step = step
        self.inputs = inputs
        """By the model's names; what no model has made is left out."""
        self.sequence = sequence
        """None: the request's own."""
        self.began_s = 0.0
        """By whoever runs it: when it was handed to its model, or began to wait at a limit."""


@dataclass(slots=True)
class Complete:
    """One answer."""

    outputs: list[Tensor]
    """Those that no model has made are left out."""
    sequence: SequenceStep | None
    """What was last said of the sequence."""
    skipped: dict[str, int]
    """By output that is left out because of a condition: whose it was, by number of the step."""


class Progress:
    """One request on its way; `ready` and `complete` are for the caller to empty."""

    __slots__ = ("_due", "_parameters", "_plan", "_route", "_waves", "complete", "ready")

    def __init__(self, plan: Plan, route: Route, parameters: Mapping[str, Parameter] | None = None) -> None:
        """parameters: the request's, for conditions."""
        self._plan = plan
        self._route = route
        self._parameters = parameters or {}
        self._waves: deque[Wave] = deque()
        """Those whose answers have not been given, in the order in which they began."""
        self._due: deque[tuple[Wave, int]] = deque()
        """Steps that have all that they wait for."""
        self.ready: deque[Run] = deque()
        """Steps to run."""
        self.complete: deque[Complete] = deque()

    def begin(self, inputs: Mapping[str, Tensor]) -> None:
        """Take the request's tensors. Raises InvalidRequest for conditions that cannot be judged, as `answered`."""
        wave = self._wave(0)
        for name, tensor, fit in self._plan.inputs:
            given = inputs.get(name)
            self._put(wave, tensor, given if given is None or fit is None else _fitted(given, name, fit))
        self._go_on()

    def answered(self, run: Run, outputs: Sequence[Tensor], sequence: SequenceStep | None = None) -> None:
        """Take an answer of a step. sequence: what it says of the sequence."""
        step = self._plan.steps[run.step]
        wave = self._wave(step.stream) if step.is_decoupled else run.wave
        sequence = sequence or run.sequence
        if sequence is not None:
            wave.sequences = wave.sequences or {}
            wave.sequences.update(dict.fromkeys(step.makes.values(), sequence))
        if len(step.makes) == 1 == len(outputs) and outputs[0].name in step.makes:
            self._put(wave, step.makes[outputs[0].name], outputs[0])
        else:
            made = {tensor.name: tensor for tensor in outputs}
            for name, number in step.makes.items():
                self._put(wave, number, made.get(name))
        self._go_on()

    def _wave(self, stream: int) -> Wave:
        wave = Wave(self._plan, self._route)
        if stream == self._route.stream:
            self._waves.append(wave)
        return wave

    def _put(self, wave: Wave, tensor: int, value: Tensor | Skipped | None) -> None:
        route = self._route
        if tensor in wave.alternatives and isinstance(value, Skipped):
            alternatives = wave.alternatives
            assert isinstance(alternatives, dict)
            alternatives[tensor] -= 1
            if alternatives[tensor]:
                return  # another step may make it, or does
        if tensor in route.output_tensors:
            wave.outputs_missing -= 1
            wave.tensors[tensor] = value
        elif wave.uses[tensor]:
            wave.tensors[tensor] = value
        for step in route.readers[tensor]:
            wave.missing[step] -= 1
            if not wave.missing[step]:
                self._due.append((wave, step))

    def _go_on(self) -> None:
        """Take up the steps that can run, or are skipped, then complete the answers whose turn it is."""
        while self._due:
            wave, number = self._due.popleft()
            step = self._plan.steps[number]
            run = self._collect(wave, number, step)
            if isinstance(run, Run):
                self.ready.append(run)
                continue
            for tensor in step.makes.values():
                self._put(wave, tensor, run)
        waves = self._waves
        while waves and not waves[0].outputs_missing:
            self.complete.append(self._completed(waves.popleft()))

    def _collect(self, wave: Wave, number: int, step: PlannedStep) -> Run | Skipped:
        """Take a step's tensors, and let go of those that nobody else needs."""
        tensors, uses = wave.tensors, wave.uses
        skipped = self._skipped(wave, number, step) if self._route.has_conditions else None
        inputs: dict[str, Tensor] = {}
        sequence: SequenceStep | None = None
        for name, tensor, fit in step.reads:
            value = tensors[tensor]
            if isinstance(value, Tensor):
                if fit is None:
                    inputs[name] = Tensor(name, value.datatype, value.data)
                else:
                    inputs[name] = _fitted(value, name, fit)
            if wave.sequences is not None and sequence is None:
                sequence = wave.sequences.get(tensor)
        for tensor in step.waits_for:
            uses[tensor] -= 1
            if not uses[tensor] and tensor not in self._route.output_tensors:
                tensors[tensor] = None
        return skipped or Run(wave, number, inputs, sequence)

    def _skipped(self, wave: Wave, number: int, step: PlannedStep) -> Skipped | None:
        """Say why a step does not run, if it does not. Raises InvalidRequest."""
        for tensor in step.requires:
            value = wave.tensors[tensor]
            if isinstance(value, Skipped):
                return value
        if step.when is None:
            return None
        judged = self._parameters.get(step.when.parameter) if step.when_tensor < 0 else _only(wave, step)
        if not step.when.holds(judged):
            return Skipped(number)
        for tensor in step.makes.values():
            if tensor in wave.alternatives:
                other = wave.made_by.setdefault(tensor, number)
                if other != number:
                    raise InvalidRequest(
                        f"steps {other} and {number} make the same tensor, and the conditions of both hold: "
                        f"{self._plan.steps[other].when}, and {step.when}"
                    )
        return None

    def _completed(self, wave: Wave) -> Complete:
        answer = Complete([], None, {})
        for name, tensor, fit in self._route.outputs:
            value = wave.tensors[tensor]
            if isinstance(value, Skipped):
                answer.skipped[name] = value.step
            elif value is not None:
                answer.outputs.append(_fitted(value, name, fit))
            if wave.sequences is not None:
                answer.sequence = wave.sequences.get(tensor, answer.sequence)
        return answer


def _only(wave: Wave, step: PlannedStep) -> Value | None:
    """The one element of a condition's tensor; None: there is no such tensor. Raises InvalidRequest for several."""
    assert step.when is not None
    value = wave.tensors[step.when_tensor]
    if not isinstance(value, Tensor):
        return None
    if value.data.size != 1:
        raise InvalidRequest(
            f"the condition `{step.when}` needs one value, but tensor '{step.when.tensor}' has {value.data.size}"
        )
    element = value.data.reshape(-1)[0]
    if isinstance(element, bytes):
        return element.decode(errors="replace")
    plain: Value = element if isinstance(element, str) else element.item()
    return plain


def _fitted(tensor: Tensor, name: str, fit: Fit) -> Tensor:
    return Tensor(name, tensor.datatype, tensor.data if fit is None else fit(tensor.data))
