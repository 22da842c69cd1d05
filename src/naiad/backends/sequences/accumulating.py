"""What the backends that add up a sequence's inputs have in common: their tensors, and reading controls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np

from naiad.backends.declared import refused
from naiad.backends.identity_delays import Delay
from naiad.backends.parameters import check_delay, whole_number
from naiad.core.contracts import Batch, Instances, LoadRequest
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import ModelConfig
from naiad.core.tensor import Tensor


class SumInstance(ABC):
    """One copy that keeps sums; what belongs to which sum is its own affair."""

    controls: ClassVar[tuple[str, ...]]
    """Names of the control inputs that every request has."""

    def __init__(self, version: str, delay: Delay) -> None:
        self._version = version
        self._sums: dict[int, int] = {}
        self._delay = delay
        self.interrupt = delay.end

    def execute(self, batch: Batch[InferRequest]) -> list[InferResponse | InvalidRequest]:
        """Add each step to its sum, and answer with that."""
        self._delay.pass_in(batch)
        return [objection(one, *self.controls) or self.step(row, one) for row, one in enumerate(batch.items)]

    def close(self) -> None:  # noqa: B027 - most copies hold nothing
        """Nothing to release."""

    @abstractmethod
    def step(self, row: int, request: InferRequest) -> InferResponse | InvalidRequest:
        """Answer one step, which has all its inputs."""


def open_sums(kind: type[SumInstance], request: LoadRequest) -> Instances[InferRequest]:
    """Make the instances of a model. Raises LoadFailed unless its tensors are declared as `check_vectors` says."""
    config, version = request.tensors.config, request.tensors.version
    check_vectors(config)
    made = tuple(kind(version, delay) for delay in delays(config, len(request.names)))
    return Instances(made, names=request.names)


def check_controls(config: ModelConfig, names: Sequence[str], message: str) -> None:
    """Raise LoadFailed with that message unless the model's controls have exactly these names."""
    batching = config.sequence_batching
    if batching is None or sorted(control.name for control in batching.controls) != sorted(names):
        raise refused(config, message)


def check_vectors(config: ModelConfig) -> None:
    """Raise LoadFailed, in Triton's words, unless there are INPUT and OUTPUT, INT32 vectors of one length."""
    for side, name, tensors in (("input", "INPUT", config.inputs), ("output", "OUTPUT", config.outputs)):
        if len(tensors) != 1 or len(tensors[0].dims) != 1:
            raise refused(config, f"model must have one {side} '{name}' with vector shape, any length")
        if tensors[0].datatype != "INT32":
            raise refused(config, f"model {side} must have TYPE_INT32 data-type")
        if tensors[0].name != name:
            raise refused(config, f"model {side} must be named '{name}'")
    if config.inputs[0].dims != config.outputs[0].dims:
        raise refused(config, "model must have output 'OUTPUT' with shape matching 'INPUT'")


def read_delay(config: ModelConfig) -> float:
    """Seconds of `execute_delay_ms`. Raises LoadFailed where it is no number of sane size."""
    seconds = whole_number(config.name, config.parameters, "execute_delay_ms") / 1000
    check_delay(config.name, "execute_delay_ms", seconds)
    return seconds


def delays(config: ModelConfig, count: int) -> Iterable[Delay]:
    """One delay for each instance."""
    seconds = read_delay(config)
    return (Delay(seconds) for _ in range(count))


def objection(request: InferRequest, *names: str) -> InvalidRequest | None:
    """What is wrong with a request that lacks one of these inputs; None: it has them."""
    missing = [name for name in ("INPUT", *names) if name not in request.inputs]
    return InvalidRequest(f"model '{request.model_name}': input '{missing[0]}' is missing") if missing else None


def is_true(request: InferRequest, control: str) -> bool:
    """Whether a control of a request is not zero."""
    return bool(request.inputs[control].data.item())


def total(request: InferRequest) -> int:
    """The sum of the elements of INPUT, as INT32 would hold it."""
    return int(request.inputs["INPUT"].data.sum(dtype=np.int64))


def wrapped(value: int) -> int:
    """The value that INT32 holds."""
    return (value + 2**31) % 2**32 - 2**31


def answer(request: InferRequest, version: str, value: int) -> InferResponse:
    """Make the answer whose every element is that value."""
    data = np.full(request.inputs["INPUT"].shape, value, np.int32)
    return InferResponse(request.model_name, version, [Tensor("OUTPUT", "INT32", data)], request.id)
