"""Contradictions within one normalised document, the tensors and files part; scheduling is in `validate_scheduling`.

Every rule raises InvalidConfiguration naming the model, the field and the fix; where Triton has such a rule, it begins
with Triton's words, and the order of the rules is Triton's. What only the model file can tell (whether the graph has
such an input) is the backend's to check; what needs other models (an ensemble's steps) is the loader's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from naiad.core.datatypes import BY_CONFIG_NAME
from naiad.modelconfig.layout import ENSEMBLE
from naiad.modelconfig.refusing import refuse
from naiad.modelconfig.schema import Document
from naiad.modelconfig.validate_batch_tensors import validate_batch_tensors
from naiad.modelconfig.validate_groups import validate_groups
from naiad.modelconfig.validate_metrics import validate_metrics
from naiad.modelconfig.validate_scheduling import validate_scheduling
from naiad.modelconfig.validate_sequences import validate_sequences

UNNAMED_FORMATS = {"FORMAT_NONE", 0}


def validate(document: Document, model_dir: Path | None = None) -> None:
    """Check a normalised document; with `model_dir`, that the files it names are inside and exist."""
    model = document["name"]
    if document["max_batch_size"] < 0:
        refuse(model, f"'max_batch_size' must be non-negative value for {model}", f"it is {document['max_batch_size']}")
    is_ensemble = document["platform"] == ENSEMBLE or "ensemble_scheduling" in document
    if not document["backend"] and not is_ensemble:
        refuse(model, f"must specify 'platform' or 'backend' for '{model}'")
    validate_scheduling(document)
    validate_sequences(document)
    validate_metrics(document)
    _validate_side(document, "input")
    _validate_side(document, "output")
    validate_batch_tensors(document)
    validate_groups(document)
    for field, file, folder in _named_files(document):
        _check_inside(model, field, file)
        if model_dir is not None:
            _check_exists(model, field, file, model_dir / folder)


def _refuse(model: str, reason: str) -> NoReturn:
    refuse(model, f"model '{model}': {reason}")


def _validate_side(document: Document, side: str) -> None:
    model = document["name"]
    seen = set()
    for tensor in document[side]:
        name = tensor["name"]
        if not name:
            refuse(model, f"model {side} must specify 'name' for {model}")
        if name in seen:
            refuse(model, f"model {side} '{name}' is specified more than once for {model}")
        seen.add(name)
        _validate_tensor(document, side, tensor)


def _validate_tensor(document: Document, side: str, tensor: Mapping[str, Any]) -> None:
    model, where, dims = document["name"], f"model {side} '{tensor['name']}'", tensor["dims"]
    if tensor["data_type"] not in BY_CONFIG_NAME:
        refuse(model, f"{where} must specify 'data_type' for {model}", f"one of {', '.join(BY_CONFIG_NAME)}")
    if not dims:
        refuse(model, f"{where} must specify 'dims' for {model}")
    if any(dim < 1 and dim != -1 for dim in dims):
        refuse(
            model,
            f"{where} dimension must be integer >= 1, or -1 to indicate a variable-size dimension for {model}",
            f"dims are {list(dims)}",
        )
    if "reshape" in tensor:
        _validate_reshape(model, where, dims, tensor["reshape"]["shape"], document["max_batch_size"])
    if tensor.get("format", "FORMAT_NONE") not in UNNAMED_FORMATS and len(dims) != 3:
        refuse(model, f"model input NHWC/NCHW require 3 dims for {model}", f"'{tensor['name']}' has {len(dims)}")
    if tensor["is_shape_tensor"]:
        reason = f"shape tensors are only supported for TensorRT platform for {model}"
        refuse(model, reason, f"remove 'is_shape_tensor' of {where}")
    if tensor["is_non_linear_format_io"]:
        reason = f"Non-linear IO format is only supported for the TensorRT platform for {model}"
        refuse(model, reason, f"remove 'is_non_linear_format_io' of {where}")
    if tensor.get("allow_ragged_batch") and document["max_batch_size"] == 0:
        reason = f"{where} allows ragged batches, which needs batching, for {model}"
        refuse(model, reason, "set max_batch_size to 1 or more")


def _validate_reshape(model: str, where: str, dims: Sequence[int], shape: Sequence[int], max_batch_size: int) -> None:
    shown = f"dims are {list(dims)}, reshape is {list(shape)}"
    if not shape and max_batch_size == 0 and (len(dims) != 1 or dims[0] != 1):
        reason = f"{where} cannot have empty reshape for non-batching model as scalar tensors are not supported"
        refuse(model, f"{reason} for {model}", f"unless its dims are [1]; {shown}")
    if any(dim < 1 and dim != -1 for dim in shape):
        reason = f"{where} reshape dimensions must be integer >= 1, or -1 to indicate a variable-size dimension"
        refuse(model, f"{reason} for {model}", shown)
    outer, inner = list(_segments(dims)), list(_segments(shape))
    if len(outer) != len(inner) and -1 in dims and -1 in shape:
        reason = f"{where} has different number of variable-size dimensions for dims and reshape for {model}"
        refuse(model, reason, shown)
    if outer != inner:
        refuse(model, f"{where} has different size for dims and reshape for {model}", shown)


def _segments(dims: Sequence[int]) -> Iterator[int]:
    """Element counts before, between and after the wildcards: what a reshape must leave alone."""
    start = 0
    for place, dim in enumerate(dims):
        if dim == -1:
            yield prod(dims[start:place])
            start = place + 1
    yield prod(dims[start:])


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
