"""Contradictions within one normalised document, the tensors and files part; scheduling is in `validate_scheduling`.

Every rule raises InvalidConfiguration naming the model, the field and the fix. What only the model file can tell
(whether the graph has such an input) is the backend's to check; what needs other models (an ensemble's steps) is the
loader's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

from naiad.core.cores import most_instances
from naiad.core.datatypes import BY_CONFIG_NAME
from naiad.core.errors import InvalidConfiguration
from naiad.modelconfig.layout import ENSEMBLE
from naiad.modelconfig.schema import Document
from naiad.modelconfig.validate_batch_tensors import validate_batch_tensors
from naiad.modelconfig.validate_scheduling import validate_scheduling

UNNAMED_FORMATS = {"FORMAT_NONE", 0}


def validate(document: Document, model_dir: Path | None = None) -> None:
    """Check a normalised document; with `model_dir`, that the files it names are inside and exist."""
    model = document["name"]
    if document["max_batch_size"] < 0:
        _refuse(model, f"'max_batch_size' must be non-negative value, it is {document['max_batch_size']}")
    is_ensemble = document["platform"] == ENSEMBLE or "ensemble_scheduling" in document
    if not document["backend"] and not is_ensemble:
        _refuse(model, "must specify 'backend' or 'platform'")
    _validate_side(document, "input")
    _validate_side(document, "output")
    validate_scheduling(document)
    _validate_groups(document)
    validate_batch_tensors(document)
    for field, file, folder in _named_files(document):
        _check_inside(model, field, file)
        if model_dir is not None:
            _check_exists(model, field, file, model_dir / folder)


def _refuse(model: str, reason: str) -> None:
    raise InvalidConfiguration(f"model '{model}': {reason}", model=model)


def _validate_side(document: Document, side: str) -> None:
    model = document["name"]
    seen = set()
    for tensor in document[side]:
        name = tensor["name"]
        if not name:
            _refuse(model, f"model {side} must specify 'name'")
        if name in seen:
            _refuse(model, f"model {side} '{name}' is specified more than once")
        seen.add(name)
        _validate_tensor(document, side, tensor)


def _validate_tensor(document: Document, side: str, tensor: Mapping[str, Any]) -> None:
    model, where = document["name"], f"model {side} '{tensor['name']}'"
    if tensor["data_type"] not in BY_CONFIG_NAME:
        _refuse(model, f"{where} must specify 'data_type', one of {', '.join(BY_CONFIG_NAME)}")
    if not tensor["dims"]:
        _refuse(model, f"{where} must specify 'dims'")
    for dim in tensor["dims"]:
        if dim < 1 and dim != -1:
            _refuse(model, f"{where} dimension must be integer >= 1, or -1 to indicate a variable-size dimension")
    for flag in ("is_shape_tensor", "is_non_linear_format_io"):
        if tensor[flag]:
            _refuse(model, f"{where}: '{flag}' is only supported for the TensorRT backend; remove it")
    if "reshape" in tensor:
        _validate_reshape(model, where, tensor["dims"], tensor["reshape"]["shape"], document["max_batch_size"])
    if tensor.get("allow_ragged_batch") and document["max_batch_size"] == 0:
        _refuse(model, f"{where} allows ragged batches, which needs batching: set max_batch_size to 1 or more")
    if tensor.get("format", "FORMAT_NONE") not in UNNAMED_FORMATS and len(tensor["dims"]) != 3:
        _refuse(model, f"{where} with format {tensor['format']} must have 3 dims, it has {len(tensor['dims'])}")


def _validate_reshape(model: str, where: str, dims: Sequence[int], shape: Sequence[int], max_batch_size: int) -> None:
    if any(dim < 1 and dim != -1 for dim in shape):
        _refuse(model, f"{where} reshape dimension must be integer >= 1, or -1 for a variable-size dimension")
    if not shape and max_batch_size == 0 and (len(dims) != 1 or dims[0] != 1):
        _refuse(model, f"{where} cannot have empty reshape unless its dims are [1]; it has dims {list(dims)}")
    outer, inner = list(_segments(dims)), list(_segments(shape))
    if len(outer) != len(inner):
        _refuse(
            model,
            f"{where} has different number of variable-size dimensions for dims {list(dims)} and reshape {list(shape)}",
        )
    if outer != inner:
        _refuse(model, f"{where} has different size for dims {list(dims)} and reshape {list(shape)}")


def _segments(dims: Sequence[int]) -> Iterator[int]:
    """Element counts before, between and after the wildcards: what a reshape must leave alone."""
    start = 0
    for place, dim in enumerate(dims):
        if dim == -1:
            yield prod(dims[start:place])
            start = place + 1
    yield prod(dims[start:])


def _validate_groups(document: Document) -> None:
    model, names = document["name"], set()
    if document["platform"] == ENSEMBLE:
        return
    for group in document["instance_group"]:
        name = group["name"]
        if name in names:
            _refuse(model, f"instance group name '{name}' is used more than once")
        names.add(name)
        if group["count"] < 1:
            _refuse(model, f"instance group '{name}' must have count >= 1, it has {group['count']}")
        if group["kind"] not in {"KIND_CPU", "KIND_MODEL", "KIND_GPU"}:
            _refuse(model, f"instance group '{name}' has unknown kind {group['kind']}")
        if group["kind"] == "KIND_CPU" and group["gpus"]:
            _refuse(model, f"instance group '{name}' has kind KIND_CPU but specifies one or more GPUs")
        if group["secondary_devices"] and group["kind"] != "KIND_GPU":
            _refuse(model, f"instance group '{name}' has secondary devices, which needs kind KIND_GPU")
    count, most = sum(group["count"] for group in document["instance_group"]), most_instances()
    if count > most:
        _refuse(model, f"the instance groups have a count of {count} together, this machine allows {most}; lower it")
    if all(group["passive"] for group in document["instance_group"]):
        _refuse(model, "every instance group is passive, so that no instance would take requests")


def _named_files(document: Document) -> Iterator[tuple[str, str, str]]:
    """(field, file, folder inside the model's) of every file that the document names, except the versions' own."""
    for output in document["output"]:
        if output["label_filename"]:
            yield f"output '{output['name']}' label_filename", output["label_filename"], ""
    for warmup in document["model_warmup"]:
        for name, tensor in warmup["inputs"].items():
            if tensor.get("input_data_file"):
                yield f"model_warmup '{warmup['name']}' input '{name}'", tensor["input_data_file"], "warmup"
    for state in document.get("sequence_batching", {}).get("state", []):
        for initial in state["initial_state"]:
            if initial.get("data_file"):
                yield f"initial_state '{initial['name']}' data_file", initial["data_file"], "initial_state"


def _check_inside(model: str, field: str, file: str) -> None:
    path = PurePosixPath(file.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in file or ":" in path.parts[0]:
        _refuse(model, f"{field} '{file}' must be a path inside the model's folder")


def _check_exists(model: str, field: str, file: str, folder: Path) -> None:
    """Links are followed wherever they lead: the Hub's cache is made of them, and no download can bring one along."""
    if not (folder / file).is_file():
        _refuse(model, f"{field} '{file}' does not exist in {folder}")
