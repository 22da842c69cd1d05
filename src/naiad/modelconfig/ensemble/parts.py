"""Whether the parts of an ensemble fit each other: names, datatypes, shapes, batch sizes, streams of answers.

Words and order are Triton's (core, `ValidateEnsembleConfig`). Two shapes agree if they do with or without the batch
dimension; where one has a variable dimension, the requests will show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.model.ensemble import Step
from naiad.modelconfig.ensemble.order import in_order
from naiad.modelconfig.refusing import refuse

Streams = Mapping[str, int]
"""Ensemble tensor → which stream of answers it comes with: 0 with the request, once; others with each answer of one
decoupled step."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of an ensemble tensor, from whoever was first to name it."""

    model: str
    datatype: str
    dims: tuple[int, ...]
    has_rows: bool

    @property
    def shape(self) -> tuple[int, ...]:
        return (-1, *self.dims) if self.has_rows else self.dims


def check_parts(config: ModelConfig, parts: Sequence[ModelConfig]) -> Streams:
    """Check an ensemble against its parts, one for each step; says which tensors come in streams.

    Raises InvalidConfiguration.
    """
    assert config.ensemble is not None
    steps = config.ensemble.steps
    known = {tensor.name: _own(config, tensor) for tensor in (*config.inputs, *config.outputs)}
    for step, part in zip(steps, parts, strict=True):
        if part.max_batch_size and part.max_batch_size < config.max_batch_size:
            refuse(
                config.name,
                f"ensemble {config.name} allows maximum batch size {config.max_batch_size}, but it contains model "
                f"{step.model} which only allows maximum batch size to be {part.max_batch_size}",
            )
        check_names(config.name, step, part)
        _check_inputs(config, step, part, known)
        _check_outputs(config, step, part, known)
    return _streams(config, parts)


def _own(config: ModelConfig, tensor: TensorConfig) -> _Known:
    dims = tensor.dims if tensor.reshape is None else tensor.reshape
    return _Known(config.name, tensor.datatype, dims, config.max_batch_size > 0)


def check_names(ensemble: str, step: Step, part: ModelConfig) -> None:
    """Refuse maps from or to tensors that the model of a step does not have."""
    inputs, outputs = ({tensor.name for tensor in side} for side in (part.inputs, part.outputs))
    for name, tensor in step.inputs.items():
        if name not in inputs:
            refuse(
                ensemble,
                f"in ensemble {ensemble}, ensemble tensor {tensor} is mapping to non-existing input {name} in model "
                f"{step.model}",
            )
    for name, tensor in step.outputs.items():
        if name not in outputs:
            refuse(
                ensemble,
                f"in ensemble {ensemble}, ensemble tensor {tensor} is mapped from non-existing output {name} in model "
                f"{step.model}",
            )


def _check_inputs(config: ModelConfig, step: Step, part: ModelConfig, known: dict[str, _Known]) -> None:
    for wanted in part.inputs:
        mapped = step.inputs.get(wanted.name)
        if mapped is not None:
            _agree(config, mapped, wanted, part, known)
        elif not wanted.optional:
            refuse(
                config.name,
                f"in ensemble {config.name}, input {wanted.name} in model {step.model} is not mapped to any ensemble "
                "tensors",
            )


def _check_outputs(config: ModelConfig, step: Step, part: ModelConfig, known: dict[str, _Known]) -> None:
    given = {tensor.name: tensor for tensor in part.outputs}
    for name, tensor in step.outputs.items():
        _agree(config, tensor, given[name], part, known)


def _agree(config: ModelConfig, name: str, tensor: TensorConfig, part: ModelConfig, known: dict[str, _Known]) -> None:
    """Check a part's tensor against what is known of the ensemble tensor that it is."""
    here = _Known(part.name, tensor.datatype, tensor.dims, part.max_batch_size > 0)
    there = known.setdefault(name, here)
    where = f"in ensemble {config.name}, ensemble tensor {name}: inconsistent"
    if there.datatype != here.datatype:
        refuse(
            config.name,
            f"{where} data type: {_type(there)} is inferred from model {there.model} while {_type(here)} is inferred "
            f"from model {here.model}",
        )
    if not (may_be(there.dims, here.dims) or may_be(there.shape, here.shape)):
        refuse(
            config.name,
            f"{where} shape: {_plain(there.shape)} is inferred from model {there.model} while {_plain(here.shape)} is "
            f"inferred from model {here.model}",
        )


def may_be(shape: Sequence[int], dims: Sequence[int]) -> bool:
    """Whether two shapes can be the same; -1 in either is any dimension."""
    return len(shape) == len(dims) and all(-1 in (one, two) or one == two for one, two in zip(shape, dims, strict=True))


def _streams(config: ModelConfig, parts: Sequence[ModelConfig]) -> Streams:
    """Say with which answers each tensor comes. Raises InvalidConfiguration where answers of two streams would mix."""
    assert config.ensemble is not None
    steps = config.ensemble.steps
    streams = dict.fromkeys((tensor.name for tensor in config.inputs), 0)
    last = 0
    for number in in_order(steps, list(streams)):
        step = steps[number]
        stream = _only_stream(config, step.model, {streams[name] for name in step.reads})
        if parts[number].is_decoupled:
            stream = last = last + 1
        for name in step.outputs.values():
            if streams.setdefault(name, stream) != stream:
                refuse(
                    config.name,
                    f"in ensemble {config.name}, tensor {name} comes from steps whose answers belong to different "
                    "streams; make one tensor for each of them",
                )
    _only_stream(config, config.name, {streams[tensor.name] for tensor in config.outputs})
    return streams


def _only_stream(config: ModelConfig, model: str, streams: set[int]) -> int:
    if len(streams) > 1:
        refuse(
            config.name,
            f"in ensemble {config.name}, step of model '{model}' receives inputs originated from different decoupled "
            "models",
        )
    return streams.pop()


def _type(known: _Known) -> str:
    return "TYPE_STRING" if known.datatype == "BYTES" else f"TYPE_{known.datatype}"


def _plain(shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]"
