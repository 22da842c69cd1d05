"""Batching, queues and warm-up of a model, by PyTriton's names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from naiad.compat.pytriton.exceptions import PyTritonBadParameterError
from naiad.core.tensor import Array

_LEAST_LETTERS, _MOST_LETTERS = 8, 32


class DeviceKind(Enum):
    """Where instances are; functions are always on the CPU as far as the server is concerned."""

    KIND_AUTO = "KIND_AUTO"
    KIND_CPU = "KIND_CPU"
    KIND_GPU = "KIND_GPU"


class TimeoutAction(Enum):
    """What becomes of a request that has waited too long."""

    REJECT = "REJECT"
    DELAY = "DELAY"


@dataclass
class QueuePolicy:
    """How requests wait."""

    timeout_action: TimeoutAction = TimeoutAction.REJECT
    default_timeout_microseconds: int = 0
    allow_timeout_override: bool = False
    max_queue_size: int = 0
    """0: no bound of its own."""

    def document(self) -> dict[str, Any]:
        """As config.pbtxt has it."""
        return {
            "timeout_action": self.timeout_action.value,
            "default_timeout_microseconds": int(self.default_timeout_microseconds),
            "allow_timeout_override": self.allow_timeout_override,
            "max_queue_size": int(self.max_queue_size),
        }


@dataclass
class DynamicBatcher:
    """How requests are joined."""

    max_queue_delay_microseconds: int = 0
    preferred_batch_size: Sequence[int] | None = None
    preserve_ordering: bool = False
    priority_levels: int = 0
    default_priority_level: int = 0
    default_queue_policy: QueuePolicy | None = None
    priority_queue_policy: Mapping[int, QueuePolicy] | None = None

    def document(self) -> dict[str, Any]:
        """As config.pbtxt has it. Raises PyTritonBadParameterError for levels that there are not."""
        levels, policies = self.priority_levels, self.priority_queue_policy or {}
        if not 0 <= self.default_priority_level <= levels:
            raise PyTritonBadParameterError(f"The `default_priority_level` must be between 1 and {levels}.")
        if policies and not levels:
            raise PyTritonBadParameterError(
                "Provide the `priority_levels` if you want to define `priority_queue_policy`."
            )
        for priority in policies:
            if not 1 <= priority <= levels:
                raise PyTritonBadParameterError(f"Invalid `priority`={priority}. It must be between 1 and {levels}.")
        document: dict[str, Any] = {
            "max_queue_delay_microseconds": int(self.max_queue_delay_microseconds),
            "preferred_batch_size": [int(size) for size in self.preferred_batch_size or ()],
            "preserve_ordering": self.preserve_ordering,
            "priority_levels": levels,
            "default_priority_level": self.default_priority_level,
            "priority_queue_policy": {str(level): policy.document() for level, policy in policies.items()},
        }
        if self.default_queue_policy is not None:
            document["default_queue_policy"] = self.default_queue_policy.document()
        return document


@dataclass
class WarmupInput:
    """The data of one input; exactly one of the three sources is given."""

    dtype: Any
    shape: Sequence[int]
    """Without the batch dimension."""
    zero_data: bool | None = False
    random_data: bool | None = False
    input_data_file: str | None = None
    """A .npy file, with the batch dimension or without it."""

    def array(self, name: str, rows: int) -> Array:
        """Make the array, with so many rows. Raises PyTritonBadParameterError."""
        shape = (rows, *self.shape)
        sources = [bool(self.zero_data), bool(self.random_data), bool(self.input_data_file)]
        if sum(sources) != 1:
            raise PyTritonBadParameterError(
                f"One of 'zero_data', 'random_data', or 'input_data_file' must be provided for warmup input `{name}`."
            )
        if self.input_data_file:
            data = np.load(self.input_data_file, allow_pickle=False)
            whole = data[None] if data.ndim == len(self.shape) else data
            if whole.shape[1:] != shape[1:] or not len(whole):
                raise PyTritonBadParameterError(
                    f"Input data file shape {data.shape} doesn't match expected shape {shape}"
                )
            return np.resize(whole, shape).astype(np.dtype(self.dtype))
        return self._made(np.dtype(self.dtype), shape)

    def _made(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        generator = np.random.default_rng(0)
        if dtype.kind in "SUO":
            letters = generator.integers(_LEAST_LETTERS, _MOST_LETTERS, np.prod(shape)) if self.random_data else None
            strings = [b""] * int(np.prod(shape)) if letters is None else [b"x" * int(count) for count in letters]
            made = np.empty(len(strings), np.object_)
            made[:] = strings
            return made.reshape(shape)
        if self.zero_data:
            return np.zeros(shape, dtype)
        if dtype.kind in "iu":
            return generator.integers(0, min(100, np.iinfo(dtype).max), shape).astype(dtype)
        return (generator.random(shape) > 0.5) if dtype.kind == "b" else generator.random(shape).astype(dtype)


@dataclass
class ModelWarmup:
    """Requests that are run before the model is ready."""

    name: str
    batch_size: int
    inputs: Mapping[str, WarmupInput]
    count: int

    def requests(self, *, batching: bool) -> Iterator[dict[str, Array]]:
        """Make them. Raises PyTritonBadParameterError."""
        for _ in range(max(1, self.count)):
            arrays = {name: one.array(name, max(1, self.batch_size)) for name, one in self.inputs.items()}
            yield arrays if batching else {name: array[0] for name, array in arrays.items()}
