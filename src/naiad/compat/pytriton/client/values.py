"""What the clients send and give, without waiting for anything: numpy arrays ⇄ tensors, a configuration's values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from naiad.compat.pytriton.client.exceptions import PyTritonClientValueError
from naiad.compat.pytriton.decorators import TritonModelConfig
from naiad.core.bf16 import bf16_to_float, float_to_bf16
from naiad.core.datatypes import BY_CONFIG_NAME
from naiad.core.errors import NaiadError
from naiad.core.tensor import Array, Tensor, bytes_tensor, raw_strings
from naiad.functions.declared import Tensor as Declared

Parameters = Mapping[str, str | int | bool]


def read_config(document: Mapping[str, Any]) -> TritonModelConfig:
    """Read a model configuration as HTTP or gRPC gives it."""
    rows = int(document.get("max_batch_size", 0))
    return TritonModelConfig(
        document["name"],
        batching=rows > 0,
        max_batch_size=rows,
        decoupled=bool(document.get("model_transaction_policy", {}).get("decoupled", False)),
        inputs=tuple(map(_declared, document.get("input", ()))),
        outputs=tuple(map(_declared, document.get("output", ()))),
    )


def _declared(document: Mapping[str, Any]) -> Declared:
    shape = tuple(int(dim) for dim in document["dims"])
    datatype = BY_CONFIG_NAME[document["data_type"]].name
    return Declared(shape, datatype, document["name"], bool(document.get("optional", False)))


def check(parameters: Any, what: str) -> None:
    """Raise PyTritonClientValueError for parameters, or headers, that cannot be sent."""
    if parameters is None:
        return
    if not isinstance(parameters, dict):
        raise PyTritonClientValueError(f"{what} must be a dictionary")
    for key, value in parameters.items():
        if not isinstance(key, str) or not isinstance(value, str | int | bool):
            raise PyTritonClientValueError(
                f"{what} must have string keys, and strings, integers or booleans as values, not {key!r}: {value!r}"
            )


def to_tensors(config: TritonModelConfig, inputs: Sequence[Any], named: Mapping[str, Any], rows: bool) -> list[Tensor]:
    """Make the tensors of a request. rows: give each a batch dimension of one. Raises PyTritonClientValueError."""
    if not inputs and not named:
        raise PyTritonClientValueError("Provide input data")
    if inputs and named:
        raise PyTritonClientValueError("Use either positional either keyword method arguments convention")
    known = {str(tensor.name): tensor for tensor in config.inputs}
    if len(inputs) > len(known):
        raise PyTritonClientValueError(f"model '{config.model_name}' takes {len(known)} inputs, got {len(inputs)}")
    given = named or dict(zip(known, inputs, strict=False))
    return [_tensor(name, array, known.get(name), rows) for name, array in given.items()]


def _tensor(name: str, array: Any, declared: Declared | None, rows: bool) -> Tensor:
    if not isinstance(array, np.ndarray):
        raise PyTritonClientValueError(f"Input {name} is not a numpy array. Got {type(array)} instead.")
    data = array[np.newaxis] if rows else array
    try:
        if data.dtype.kind in "OSU":
            return bytes_tensor(name, raw_strings(Tensor(name, "BYTES", data)), data.shape)
        if declared is not None and declared.row.name == "BF16" and data.dtype.kind == "f":
            return Tensor(name, "BF16", float_to_bf16(data.astype(np.float32)))
        return Tensor.of(name, data)
    except NaiadError as error:
        raise PyTritonClientValueError(f"Input {name}: {error.message}") from error


def to_arrays(tensors: Iterable[Tensor], *, first_row: bool) -> dict[str, Array]:
    """Make the values of an answer; strings are object arrays of `bytes`. first_row: without the batch dimension."""
    arrays = {one.name: bf16_to_float(one.data) if one.datatype == "BF16" else one.data for one in tensors}
    return {name: array[0] for name, array in arrays.items()} if first_row else arrays
