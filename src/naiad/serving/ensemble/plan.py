"""An ensemble as numbers: which step waits for which tensors, and which steps a request needs; made once, at load.

Tensors are numbered, so that a request's way through the steps counts and never compares names. Nothing here runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from naiad.core.message import RequestedOutput
from naiad.core.model.condition import When
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.model.ensemble import Step
from naiad.core.tensor import Array
from naiad.modelconfig.ensemble.parts import Streams, may_be

MOST_ROUTES = 256
"""Sets of requested outputs whose routes are remembered."""

Fit = Callable[[Array], Array] | None
"""What is done to a tensor's array where it goes on; None: nothing, as nearly always."""


_ALL: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step, its tensors by number."""

    model: str
    reads: tuple[tuple[str, int, Fit], ...]
    """The model's input, the tensor that it is, and how that fits."""
    makes: Mapping[str, int]
    """Output of the model → tensor."""
    asks: tuple[RequestedOutput, ...]
    """Outputs that are asked of the model; empty: all that it has."""
    is_decoupled: bool
    stream: int
    """The stream of answers that its outputs come with; see `modelconfig.ensemble.parts`."""

    waits_for: tuple[int, ...]
    """Tensors, each once."""
    requires: tuple[int, ...]
    """Those without which the model cannot run."""
    when: When | None = None
    when_tensor: int = -1
    """Of the condition; -1: it is about a parameter."""


@dataclass(frozen=True, slots=True)
class Route:
    """What is needed for some outputs: nothing runs that leads to none of them."""

    missing: tuple[int, ...]
    """By step: how many tensors it waits for; 0: it is not needed."""
    readers: tuple[tuple[int, ...], ...]
    """By tensor: needed steps that read it."""
    uses: tuple[int, ...]
    """By tensor: how many these are."""
    outputs: tuple[tuple[str, int, Fit], ...]
    """Name, tensor, and how that fits, of each output."""
    output_tensors: frozenset[int]
    stream: int
    """The stream of answers that the outputs come with; 0: there is one answer."""
    alternatives: Mapping[int, int]
    """By tensor that several needed steps may make, under their conditions: how many."""
    has_conditions: bool
    """Whether any step may be skipped."""


@dataclass(slots=True)
class Plan:
    """One ensemble over parts that fit it."""

    name: str
    steps: tuple[PlannedStep, ...]
    tensors: int
    """How many there are."""
    inputs: tuple[tuple[str, int, Fit], ...]
    outputs: Mapping[str, tuple[int, Fit]]
    streams: tuple[int, ...]
    """By tensor."""
    is_decoupled: bool
    _routes: dict[frozenset[str], Route] = field(default_factory=dict)

    def route(self, wanted: Sequence[RequestedOutput]) -> Route:
        """Return what is needed for outputs; none = all."""
        names = frozenset(output.name for output in wanted) if wanted else _ALL
        route = self._routes.get(names)
        if route is None:
            if len(self._routes) >= MOST_ROUTES:
                self._routes.clear()
            route = self._routes[names] = self._find(names or frozenset(self.outputs))
        return route

    def _find(self, names: frozenset[str]) -> Route:
        outputs = tuple((name, *made) for name, made in self.outputs.items() if name in names)
        makers: dict[int, list[int]] = {}
        for number, step in enumerate(self.steps):
            for tensor in step.makes.values():
                makers.setdefault(tensor, []).append(number)
        needed: set[int] = set()
        wanted = [tensor for _, tensor, _ in outputs]
        while wanted:
            for number in makers.get(wanted.pop(), ()):
                if number not in needed:
                    needed.add(number)
                    wanted += self.steps[number].waits_for
        readers: list[list[int]] = [[] for _ in range(self.tensors)]
        missing = [0] * len(self.steps)
        for number in sorted(needed):
            missing[number] = len(self.steps[number].waits_for)
            for tensor in self.steps[number].waits_for:
                readers[tensor].append(number)
        stream = self.streams[outputs[0][1]] if outputs else 0
        tensors = frozenset(tensor for _, tensor, _ in outputs)
        alternatives = {tensor: len(steps) for tensor, steps in makers.items() if len(steps) > 1}
        has_conditions = any(self.steps[number].when is not None for number in needed)
        return Route(
            tuple(missing),
            tuple(map(tuple, readers)),
            tuple(map(len, readers)),
            outputs,
            tensors,
            stream,
            alternatives,
            has_conditions,
        )


def make_plan(config: ModelConfig, parts: Sequence[ModelConfig], streams: Streams) -> Plan:
    """Number an ensemble that has been checked against its parts, one for each step."""
    assert config.ensemble is not None
    steps = config.ensemble.steps
    numbers = {name: number for number, name in enumerate(streams)}
    has_rows = dict.fromkeys((tensor.name for tensor in config.inputs), config.max_batch_size > 0)
    for step, part in zip(steps, parts, strict=True):
        has_rows.update(dict.fromkeys(step.outputs.values(), part.max_batch_size > 0))
    planned = tuple(_plan_step(step, part, numbers, has_rows, streams) for step, part in zip(steps, parts, strict=True))
    outputs = {
        tensor.name: (
            numbers[tensor.name],
            _both(
                fit(_inner(tensor), config.max_batch_size > 0, has_rows[tensor.name]), _shaped(tensor, config, out=True)
            ),
        )
        for tensor in config.outputs
    }
    inputs = tuple((tensor.name, numbers[tensor.name], _shaped(tensor, config)) for tensor in config.inputs)
    return Plan(
        config.name,
        planned,
        len(numbers),
        inputs,
        outputs,
        tuple(streams.values()),
        is_decoupled=any(streams[tensor.name] for tensor in config.outputs),
    )


def _plan_step(
    step: Step, part: ModelConfig, numbers: Mapping[str, int], has_rows: Mapping[str, bool], streams: Streams
) -> PlannedStep:
    wanted = {tensor.name: tensor for tensor in part.inputs}
    reads = tuple(
        (name, numbers[tensor], fit(wanted[name].dims, part.max_batch_size > 0, has_rows[tensor]))
        for name, tensor in step.inputs.items()
    )
    makes = {name: numbers[tensor] for name, tensor in step.outputs.items()}
    asks = () if len(makes) == len(part.outputs) else tuple(map(RequestedOutput, makes))
    stream = streams[next(iter(step.outputs.values()))]
    optional = {tensor.name for tensor in part.inputs if tensor.optional}
    return PlannedStep(
        step.model,
        reads,
        makes,
        asks,
        part.is_decoupled,
        stream,
        waits_for=tuple(numbers[tensor] for tensor in step.reads),
        requires=tuple(numbers[tensor] for name, tensor in step.inputs.items() if name not in optional),
        when=step.when,
        when_tensor=numbers[step.when.tensor] if step.when is not None and step.when.tensor else -1,
    )


def fit(dims: tuple[int, ...], wants_rows: bool, has_rows: bool) -> Fit:
    """Say what makes a tensor with or without a batch dimension one that is wanted with or without it.

    dims: that are wanted, without the batch dimension. Source: Triton's core, `EnsembleContext::ReshapeTensorDims`.
    """
    if wants_rows == has_rows:
        return None
    if wants_rows:
        # Already of the wanted shape: a batch of one. Otherwise it is taken to begin with the batch dimension.
        return lambda data: data[None] if may_be(data.shape, dims) else data
    return lambda data: data[0] if not may_be(data.shape, dims) and data.shape[:1] == (1,) else data


def _inner(tensor: TensorConfig) -> tuple[int, ...]:
    return tensor.dims if tensor.reshape is None else tensor.reshape


def _shaped(tensor: TensorConfig, config: ModelConfig, *, out: bool = False) -> Fit:
    """Say how a declared `reshape` is done to an ensemble's own input, or undone for its output."""
    if tensor.reshape is None:
        return None
    before, after = (tensor.reshape, tensor.dims) if out else (tensor.dims, tensor.reshape)
    rows = 1 if config.max_batch_size > 0 else 0

    def reshape(data: Array) -> Array:
        variable = iter([size for size, dim in zip(data.shape[rows:], before, strict=False) if dim == -1])
        return data.reshape(data.shape[:rows] + tuple(next(variable) if dim == -1 else dim for dim in after))

    return reshape


def _both(first: Fit, second: Fit) -> Fit:
    if first is None or second is None:
        return first or second
    return lambda data: second(first(data))
