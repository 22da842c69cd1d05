"""Contradictions in what a backend makes and cuts for whole batches: `batch_input`, `batch_output`; for `validate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.modelconfig.schema import Document

_INPUT_TYPES = ("TYPE_INT32", "TYPE_FP32")


def validate_batch_tensors(document: Document) -> None:
    """Check the batch tensors of a normalised document. Raises InvalidConfiguration."""
    model = document["name"]
    inputs, outputs = ({tensor["name"]: tensor for tensor in document[side]} for side in ("input", "output"))
    seen: set[str] = set()
    for field in ("batch_input", "batch_output"):
        if document[field] and document["max_batch_size"] == 0:
            _refuse(model, f"'{field}' needs batching: set max_batch_size to 1 or more")
        for entry in document[field]:
            _validate_source(model, field, entry, inputs)
            for target in entry["target_name"]:
                if target in seen:
                    _refuse(model, f"'{field}' names target '{target}' twice")
                seen.add(target)
    for entry in document["batch_input"]:
        _validate_input(model, entry, inputs)
    for entry in document["batch_output"]:
        _validate_output(model, entry, outputs, inputs[entry["source_input"][0]])


def _refuse(model: str, reason: str) -> None:
    raise InvalidConfiguration(f"model '{model}': {reason}", model=model)


def _validate_source(model: str, field: str, entry: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    for source in entry["source_input"]:
        if source not in inputs:
            _refuse(model, f"'{field}' names source input '{source}', which is not an input of the model")
        if inputs[source].get("optional"):
            _refuse(model, f"'{field}' names source input '{source}', which is optional: a request may lack its shape")
    if len(entry["source_input"]) != 1:
        _refuse(model, f"'{field}' of kind {entry['kind']} needs exactly one source_input")
    if not entry["target_name"]:
        _refuse(model, f"'{field}' of kind {entry['kind']} needs a target_name")


def _validate_input(model: str, entry: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    if entry["data_type"] not in _INPUT_TYPES:
        _refuse(model, f"'batch_input' must have data_type {' or '.join(_INPUT_TYPES)}, not {entry['data_type']}")
    for target in entry["target_name"]:
        if target in inputs:
            _refuse(model, f"'batch_input' makes '{target}', which requests bring: remove it from 'input'")


def _validate_output(
    model: str, entry: Mapping[str, Any], outputs: Mapping[str, Mapping[str, Any]], source: Mapping[str, Any]
) -> None:
    for target in entry["target_name"]:
        if target not in outputs:
            _refuse(model, f"'batch_output' names target '{target}', which is not an output of the model")
        if -1 in outputs[target]["dims"][len(source["dims"]) :]:
            _refuse(
                model,
                f"'batch_output' cannot tell the shape of '{target}': it has a variable dimension where "
                f"'{source['name']}' has no dimension",
            )
