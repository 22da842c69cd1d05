"""What a graph says of its own inputs and outputs, held against what the configuration says.

Two uses: filling in a configuration that leaves them open (`complete`), and refusing at load one that cannot be right
(`check`). No running here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from naiad.backends.onnxruntime.controls import added_names, check_controls
from naiad.backends.onnxruntime.ragged import batch_input_shape
from naiad.core.datatypes import BY_NAME
from naiad.core.encoding.ports import Ports
from naiad.core.errors import LoadFailed
from naiad.core.model.config import ModelConfig, TensorConfig

ELEMENT_NAMES = {"float16": "FP16", "float": "FP32", "double": "FP64", "string": "BYTES", "bfloat16": "BF16"}
"""ONNX Runtime's names that are not simply ours in small letters."""

DEFAULT_MAX_BATCH_SIZE = 4
SCHEDULERS = ("dynamic_batching", "sequence_batching", "ensemble_scheduling")


@dataclass(frozen=True, slots=True)
class GraphTensor:
    """One input or output of the graph."""

    name: str
    datatype: str
    """A row of the datatype table, or ONNX Runtime's own words where there is none."""
    shape: tuple[int, ...]
    """Batch dimension included; -1 = any."""
    has_default: bool = False
    """Inputs that an initializer stands in for when they are not fed."""

    @property
    def can_batch(self) -> bool:
        """Whether the first dimension is free."""
        return len(self.shape) > 0 and self.shape[0] == -1

    @property
    def is_scalar(self) -> bool:
        """Whether it has no dimensions; an output of which the graph does not say how many looks the same."""
        return not self.shape


@dataclass(frozen=True, slots=True)
class Signature:
    """All of them."""

    inputs: tuple[GraphTensor, ...]
    outputs: tuple[GraphTensor, ...]

    @property
    def scalars(self) -> frozenset[str]:
        """Names of the tensors without dimensions."""
        return frozenset(tensor.name for tensor in (*self.inputs, *self.outputs) if tensor.is_scalar)


def read_signature(session: Any) -> Signature:
    """Ask a session for the types and shapes of its graph."""
    optional = tuple(_tensor(arg, has_default=True) for arg in session.get_overridable_initializers())
    return Signature(
        tuple(_tensor(arg) for arg in session.get_inputs()) + optional,
        tuple(_tensor(arg) for arg in session.get_outputs()),
    )


def _tensor(arg: Any, has_default: bool = False) -> GraphTensor:
    shape = tuple(dim if isinstance(dim, int) and dim >= 0 else -1 for dim in arg.shape or ())
    return GraphTensor(arg.name, _datatype(arg), shape, has_default)


def read_ports(session: Any) -> Ports:
    """Ask a session for what its graph takes and gives, shapes as the file has them."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    return Ports(
        {arg.name: tuple(arg.shape) for arg in inputs},
        {arg.name: tuple(arg.shape) for arg in outputs},
        {arg.name: _datatype(arg) for arg in (*inputs, *outputs)},
    )


def _datatype(arg: Any) -> str:
    kind: str = arg.type
    element = kind.removeprefix("tensor(").removesuffix(")")
    datatype = ELEMENT_NAMES.get(element, element.upper())
    return datatype if datatype in BY_NAME else kind


def complete_document(document: Mapping[str, Any], signature: Signature, settings: Mapping[str, str]) -> dict[str, Any]:
    """Fill in inputs, outputs and batching of a document that leaves inputs or outputs open; never override.

    Raises LoadFailed where the graph cannot do what the document asks for.
    """
    completed = deepcopy(dict(document))
    made = {name for entry in document.get("batch_input", ()) for name in entry["target_name"]}
    asked = tuple(tensor for tensor in signature.inputs if not tensor.has_default and tensor.name not in made)
    sides = (("input", asked), ("output", signature.outputs))
    _complete_batching(completed, sides, settings)
    batches = completed["max_batch_size"] > 0
    for side, tensors in sides:
        if not completed.get(side):
            added = added_names(completed, side)
            callers = [tensor for tensor in tensors if tensor.name not in added]
            completed[side] = [_describe(completed.get("name", ""), side, tensor, batches) for tensor in callers]
    return completed


def _complete_batching(
    document: dict[str, Any], sides: Sequence[tuple[str, tuple[GraphTensor, ...]]], settings: Mapping[str, str]
) -> None:
    name, wanted = document.get("name", ""), int(document.get("max_batch_size") or 0)
    can_batch = all(tensor.can_batch for _, tensors in sides for tensor in tensors)
    if wanted > 0 and not can_batch:
        raise LoadFailed(
            f"autofill failed for model '{name}': model does not support batching while non-zero max_batch_size "
            "is specified",
            model=name,
        )
    document["max_batch_size"] = wanted
    if not can_batch or _spells_out_batch(document, sides):
        return
    document["max_batch_size"] = wanted or default_max_batch_size(settings)
    if document["max_batch_size"] > 1 and not any(scheduler in document for scheduler in SCHEDULERS):
        document["dynamic_batching"] = {}


def _spells_out_batch(document: Mapping[str, Any], sides: Sequence[tuple[str, tuple[GraphTensor, ...]]]) -> bool:
    """Whether the side that is given, with max_batch_size 0, has dims for the graph's whole shape."""
    ranks = {tensor.name: len(tensor.shape) for _, tensors in sides for tensor in tensors}
    given = [*document.get("input", ()), *document.get("output", ())]
    return not document["max_batch_size"] and any(len(t["dims"]) == ranks.get(t["name"]) for t in given)


def default_max_batch_size(settings: Mapping[str, str]) -> int:
    """The largest batch for models that do not say. Raises LoadFailed if the setting is no number."""
    text = settings.get("default-max-batch-size", str(DEFAULT_MAX_BATCH_SIZE))
    if not text.isdecimal():
        raise LoadFailed(f"backend setting default-max-batch-size must be a number of rows, not '{text}'")
    return int(text)


def _describe(model: str, side: str, tensor: GraphTensor, batches: bool) -> dict[str, Any]:
    if tensor.datatype not in BY_NAME:
        raise LoadFailed(
            f"autofill failed for model '{model}': {side} '{tensor.name}' is {tensor.datatype}, not a tensor of a "
            "type that can be served; export the model without it or list the other outputs in config.pbtxt",
            model=model,
        )
    described: dict[str, Any] = {"name": tensor.name, "data_type": BY_NAME[tensor.datatype].config_name}
    dims = list(tensor.shape[1:] if batches else tensor.shape)
    described["dims"] = dims or [1]
    if not dims:
        described["reshape"] = {"shape": []}
    return described


def check(config: ModelConfig, signature: Signature) -> None:
    """Raise LoadFailed for the first thing in which configuration and graph disagree."""
    if config.max_batch_size > 0 and not config.inputs:
        raise LoadFailed(
            f"unable to load model '{config.name}', it has no inputs, which would say how many rows a request has; "
            "set max_batch_size to 0",
            model=config.name,
        )
    check_controls(config, {tensor.name: (tensor.datatype, tensor.shape) for tensor in signature.inputs})
    required = [tensor for tensor in signature.inputs if not tensor.has_default]
    inputs = (*config.instance_inputs, *_batch_inputs(config))
    fed = [tensor for tensor in inputs if not _has_default(signature, tensor.name)]
    for side, tensors, known in (
        ("input", inputs, signature.inputs),
        ("output", config.instance_outputs, signature.outputs),
    ):
        by_name = {tensor.name: tensor for tensor in known}
        for tensor in tensors:
            if tensor.name not in by_name:
                raise LoadFailed(
                    f"unable to load model '{config.name}', unexpected inference {side} '{tensor.name}', "
                    f"allowed {side}s are: {', '.join(by_name)}",
                    model=config.name,
                )
            _check_tensor(config, side, tensor, by_name[tensor.name])
    if len(fed) != len(required):
        raise LoadFailed(
            f"unable to load model '{config.name}', configuration expects {len(fed)} inputs, "
            f"model provides {len(required)}: {', '.join(tensor.name for tensor in required)}",
            model=config.name,
        )


def _has_default(signature: Signature, name: str) -> bool:
    return any(tensor.name == name and tensor.has_default for tensor in signature.inputs)


def _batch_inputs(config: ModelConfig) -> Iterator[TensorConfig]:
    """The inputs that the backend makes, described as those that requests bring."""
    dims = {tensor.name: len(tensor.dims) for tensor in config.inputs}
    for made in config.batch_inputs:
        shape = batch_input_shape(made.kind, dims[made.source])
        for name in made.names:
            yield TensorConfig(name, made.datatype, shape[1:])


def _check_tensor(config: ModelConfig, side: str, wanted: TensorConfig, given: GraphTensor) -> None:
    prefix = f"unable to load model '{config.name}', configuration expects"
    if wanted.datatype != given.datatype:
        raise LoadFailed(
            f"{prefix} datatype {BY_NAME[wanted.datatype].config_name} for {side} '{wanted.name}', "
            f"model provides {_config_name(given.datatype)}",
            model=config.name,
        )
    if wanted.optional and not given.has_default:
        raise LoadFailed(
            f"{prefix} {side} '{wanted.name}' to be optional, model provides no default for it; "
            "give the graph an initializer of that name or remove 'optional'",
            model=config.name,
        )
    expected = full_shape(wanted, config.max_batch_size)
    if given.is_scalar and side == "input" and not config.max_batch_size and any(dim != 1 for dim in expected):
        raise LoadFailed(
            f"unable to load model '{config.name}', scalar tensor '{wanted.name}', should only provide 1 in the model "
            f"configuration when the model doesn't support batching. Model configuration provided: {_plain(expected)}.",
            model=config.name,
        )
    if side == "output" and any(wanted.name in output.names for output in config.batch_outputs):
        return  # cut by the shapes of an input, whatever shape it has
    if not _shapes_agree(side, expected, given, config.max_batch_size > 0):
        raise LoadFailed(
            f"{prefix} shape {list(expected)} for {side} '{wanted.name}', model provides {list(given.shape)}"
            + ("; max_batch_size > 0 puts a variable dimension before the dims" if config.max_batch_size else ""),
            model=config.name,
        )


def _config_name(datatype: str) -> str:
    return BY_NAME[datatype].config_name if datatype in BY_NAME else datatype


def full_shape(tensor: TensorConfig, max_batch_size: int) -> tuple[int, ...]:
    """The shape on the graph's side; -1 = any."""
    if tensor.is_ragged and max_batch_size > 0:
        return (-1,)
    inner = tensor.dims if tensor.reshape is None else tensor.reshape
    return (-1, *inner) if max_batch_size > 0 else inner


def _shapes_agree(side: str, expected: tuple[int, ...], given: GraphTensor, batches: bool) -> bool:
    if given.is_scalar and (side == "output" or not batches):
        return True  # of an input, one element has been asked for; an output may turn out to have any shape
    return len(expected) == len(given.shape) and all(
        theirs in (-1, ours) for ours, theirs in zip(expected, given.shape, strict=True)
    )


def _plain(shape: Sequence[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
