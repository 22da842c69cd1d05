"""PyTriton's decorators; what they do is `naiad.functions`, and here is what names the model to a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from naiad.functions.context import FunctionModel, current_model
from naiad.functions.declared import Tensor
from naiad.functions.decorators.batching import batch, rows_of, sample
from naiad.functions.decorators.grouping import ConstantPadder, group_by_keys, group_by_values
from naiad.functions.decorators.padding import pad_batch
from naiad.functions.decorators.values import fill_optionals, first_value
from naiad.functions.decorators.wrapping import Arguments, Function, Named, wrap

get_inference_request_batch_size = rows_of

__all__ = [
    "ConstantPadder",
    "TritonContext",
    "TritonModelConfig",
    "batch",
    "fill_optionals",
    "first_value",
    "get_inference_request_batch_size",
    "group_by_keys",
    "group_by_values",
    "pad_batch",
    "sample",
    "triton_context",
]


@dataclass(frozen=True, slots=True)
class TritonModelConfig:
    """What a function, or a client, may know of a model."""

    model_name: str
    model_version: int = 1
    batching: bool = True
    max_batch_size: int = 4
    decoupled: bool = False
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()

    @classmethod
    def of(cls, model: FunctionModel) -> TritonModelConfig:
        """Make one of what we know."""
        return cls(
            model.name,
            int(model.version),
            model.batches,
            model.max_batch_size,
            model.decoupled,
            model.inputs,
            model.outputs,
        )


class _Configs(Mapping[Callable[..., Any], TritonModelConfig]):
    """The configuration by function: that of the running call, whichever function is asked for."""

    def __getitem__(self, function: Callable[..., Any]) -> TritonModelConfig:
        return TritonModelConfig.of(current_model())

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        return iter(())

    def __len__(self) -> int:
        return 1


@dataclass(frozen=True, slots=True)
class TritonContext:
    """What `@triton_context` gives a function."""

    model_configs: Mapping[Callable[..., Any], TritonModelConfig]


def triton_context(function: Function) -> Function:
    """Give the function a further argument, `triton_context`; stands innermost."""

    def before(args: Arguments, named: Named) -> tuple[Arguments, Named, None]:
        return args, {**named, "triton_context": TritonContext(_Configs())}, None

    return wrap(function, "triton_context", before, lambda outputs, _: outputs)
