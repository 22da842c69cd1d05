"""Backends whose tensors have fixed names: whether a configuration declares these, said in the words of Triton's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from naiad.core.errors import LoadFailed
from naiad.core.model.config import ModelConfig, TensorConfig

_ORDINALS = ("first", "second", "third")


@dataclass(frozen=True, slots=True)
class Declared:
    """One tensor as it must be declared."""

    name: str
    datatype: str
    dims: tuple[int, ...] | None = (1,)
    """None: any length, but one dimension."""


def check_declared(config: ModelConfig, inputs: Sequence[Declared], outputs: Sequence[Declared]) -> None:
    """Raise LoadFailed unless the model has exactly these inputs and outputs, in this order."""
    for side, wanted, given in (("input", inputs, config.inputs), ("output", outputs, config.outputs)):
        if len(wanted) != len(given):
            plural = "s" if len(wanted) > 1 else ""
            raise refused(config, f"expected {len(wanted)} {side}{plural}, got {len(given)}")
        for ordinal, tensor, has in zip(_ORDINALS, wanted, given, strict=False):
            if has.name != tensor.name:
                raise refused(config, f"expected {ordinal} {side} tensor name to be {tensor.name}, got {has.name}")
            _check(config, tensor, has)


def refused(config: ModelConfig, reason: str) -> LoadFailed:
    """Make the error for a configuration that the backend cannot run."""
    return LoadFailed(f"model '{config.name}': {reason}", model=config.name)


def shown(shape: Sequence[int]) -> str:
    """Write a shape as Triton does."""
    return f"[{','.join(map(str, shape))}]"


def _check(config: ModelConfig, wanted: Declared, given: TensorConfig) -> None:
    name = wanted.name
    if wanted.dims is None:
        if len(given.dims) != 1:
            raise refused(config, f"expected {name} shape to have one dimension, got {shown(given.dims)}")
    elif given.dims != wanted.dims:
        raise refused(config, f"expected {name} shape to be {shown(wanted.dims)}, got {shown(given.dims)}")
    if given.datatype != wanted.datatype:
        raise refused(config, f"expected {name} datatype to be {wanted.datatype}, got TYPE_{given.datatype}")
