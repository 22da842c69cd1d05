"""The inputs and outputs of an ensemble whose steps alone are given: they follow from its parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from naiad.core.datatypes import BY_NAME
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.model.ensemble import Ensemble
from naiad.modelconfig.ensemble.parts import check_names
from naiad.modelconfig.refusing import refuse


def complete_ensemble(
    document: Mapping[str, Any], ensemble: Ensemble, outputs: Sequence[str], parts: Sequence[ModelConfig]
) -> dict[str, Any]:
    """Return a document with inputs, outputs and, if every part has batches, their smallest size.

    outputs: names; empty: the tensors that no step reads. parts: by step. Raises InvalidConfiguration for what cannot
    be known. What does not fit is found out afterwards, as in every other ensemble.
    """
    name = document["name"]
    for step, part in zip(ensemble.steps, parts, strict=True):
        check_names(name, step, part)
    rows = min(part.max_batch_size for part in parts)
    read, made = _sides(ensemble, parts, rows)
    conditions = {step.when.tensor for step in ensemble.steps if step.when is not None and step.when.tensor}
    for tensor in sorted(conditions - set(read) - set(made)):
        refuse(
            name,
            f"ensemble '{name}': the condition of a step is about tensor '{tensor}', which no step makes or reads, so "
            "that its datatype is not known; let it be about a parameter of the request",
        )
    outputs = outputs or [tensor for tensor in made if tensor not in read]
    for tensor in outputs:
        if tensor not in made and tensor not in read:
            known = ", ".join(dict.fromkeys((*made, *read)))
            refuse(name, f"ensemble '{name}': there is no tensor '{tensor}' to be an output; there are {known}")
    return {
        **document,
        "max_batch_size": rows,
        "input": [read[tensor] for tensor in read if tensor not in made],
        "output": [_output({**made, **read}[tensor]) for tensor in outputs],
    }


def _sides(
    ensemble: Ensemble, parts: Sequence[ModelConfig], rows: int
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """The tensors that steps read, and those that they make, as the first to name them describes them."""
    read: dict[str, dict[str, Any]] = {}
    made: dict[str, dict[str, Any]] = {}
    for step, part in zip(ensemble.steps, parts, strict=True):
        for tensor, described in _described(step.inputs, part.inputs, part, rows):
            known = read.setdefault(tensor, described)
            known["optional"] = known["optional"] and described["optional"]
        for tensor, described in _described(step.outputs, part.outputs, part, rows):
            made.setdefault(tensor, described)
    return read, made


def _described(
    mapped: Mapping[str, str], tensors: Sequence[TensorConfig], part: ModelConfig, rows: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    known = {tensor.name: tensor for tensor in tensors}
    for name, tensor in mapped.items():
        one = known[name]
        dims = list(one.dims) if rows or not part.max_batch_size else [-1, *one.dims]
        kind = BY_NAME[one.datatype].config_name
        yield tensor, {"name": tensor, "data_type": kind, "dims": dims, "optional": one.optional}


def _output(described: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in described.items() if key != "optional"}
