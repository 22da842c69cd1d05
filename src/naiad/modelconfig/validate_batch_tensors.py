"""Contradictions in what a backend makes and cuts for whole batches: `batch_input`, `batch_output`; for `validate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from naiad.modelconfig.refusing import refuse
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
                    refuse(model, f"target {field[6:]} name '{target}' can only be specified once for {model}")
                seen.add(target)
    for entry in document["batch_input"]:
        _validate_input(model, entry, inputs)
    for entry in document["batch_output"]:
        _validate_output(model, entry, outputs, inputs[entry["source_input"][0]])


def _refuse(model: str, reason: str) -> NoReturn:
    refuse(model, f"model '{model}': {reason}")


def _validate_source(model: str, field: str, entry: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    what, kind, sources = field.replace("_", " "), entry["kind"], entry["source_input"]
    if not isinstance(kind, str):
        refuse(model, f"unknown {what} kind '{kind}' for {model}")
    if len(sources) != 1:
        refuse(model, f"{what} kind '{kind}' expects 1 source input, got {len(sources)} for {model}")
    if field == "batch_input" and entry["data_type"] not in _INPUT_TYPES:
        reason = f"batch input data type must be {' or '.join(_INPUT_TYPES)} for {model}"
        refuse(model, reason, f"it is {entry['data_type']}")
    for source in sources:
        if source not in inputs:
            refuse(model, f"unknown source input name '{source}' for {model}")
        if inputs[source].get("optional"):
            _refuse(model, f"'{field}' names source input '{source}', which is optional: a request may lack its shape")
    if not entry["target_name"]:
        _refuse(model, f"'{field}' of kind {entry['kind']} needs a target_name")


def _validate_input(model: str, entry: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    for target in entry["target_name"]:
        if target in inputs:
            _refuse(model, f"'batch_input' makes '{target}', which requests bring: remove it from 'input'")


def _validate_output(
    model: str, entry: Mapping[str, Any], outputs: Mapping[str, Mapping[str, Any]], source: Mapping[str, Any]
) -> None:
    for target in entry["target_name"]:
        if target not in outputs:
            refuse(model, f"unknown target output name '{target}' for {model}")
        if -1 in outputs[target]["dims"][len(source["dims"]) :]:
            _refuse(
                model,
                f"'batch_output' cannot tell the shape of '{target}': it has a variable dimension where "
                f"'{source['name']}' has no dimension",
            )
