"""Python values ⇄ tensors, as a model's metadata wants them.

A value may be a str, bytes, number, bool, nested lists of these, a numpy array, or anything that numpy can read. One
value for a model that takes many ("lone") goes out as a batch of one, and its answer comes back without that dimension.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from naiad.client.metadata import ModelMetadata, TensorMetadata
from naiad.core.bf16 import bf16_to_float, float_to_bf16
from naiad.core.datatypes import BY_NAME
from naiad.core.errors import InvalidRequest
from naiad.core.nearest import did_you_mean
from naiad.core.tensor import Array, Tensor

_KINDS = {"b": "b", "i": "iub", "u": "iub", "f": "fiub"}
"""Kind of the datatype → kinds of values that it takes without losing meaning."""


def to_tensors(inputs: Mapping[str, Any], model: ModelMetadata) -> tuple[list[Tensor], frozenset[str]]:
    """Make the tensors of a request, and name the outputs that come back without the dimension that no input had.

    Raises InvalidRequest for an input that the model does not have or that does not suit it.
    """
    known = {one.name: one for one in model.inputs}
    for name in inputs:
        if name not in known:
            raise _unknown_input(model, name)
    made = [to_tensor(inputs[name], wanted) for name, wanted in known.items() if name in inputs]
    is_lone = bool(made) and all(lone for _, lone in made)
    lone_outputs = frozenset(one.name for one in model.outputs if is_lone and one.shape[:1] == (-1,))
    return [tensor for tensor, _ in made], lone_outputs


def _unknown_input(model: ModelMetadata, name: str) -> InvalidRequest:
    names = [one.name for one in model.inputs]
    hint = did_you_mean(name, names)
    return InvalidRequest(f"model '{model.name}' has no input '{name}' (it has: {', '.join(names) or 'none'}){hint}")


def to_tensor(value: Any, wanted: TensorMetadata) -> tuple[Tensor, bool]:
    """Make the tensor that an input wants; the flag says whether the value was lone.

    Raises InvalidRequest for a value of the wrong type or shape, or out of the datatype's range.
    """
    if wanted.datatype not in BY_NAME:
        raise InvalidRequest(f"input '{wanted.name}' has datatype {wanted.datatype}, which this client does not know")
    array = _strings(value, wanted) if wanted.datatype == "BYTES" else _numbers(value, wanted)
    shaped, is_lone = _fit(array, wanted)
    return Tensor(wanted.name, wanted.datatype, shaped), is_lone


def _strings(value: Any, wanted: TensorMetadata) -> Array:
    """Object array of `bytes`. Never by way of numpy's own string types: they drop trailing NULs."""
    data = np.array(value, dtype=np.object_)
    flat = np.empty(data.size, dtype=np.object_)
    flat[:] = [_raw(element, wanted) for element in data.ravel().tolist()]
    return flat.reshape(data.shape)


def _raw(element: Any, wanted: TensorMetadata) -> bytes:
    if isinstance(element, bytes):
        return bytes(element)
    if not isinstance(element, str):
        problem = "lists of different lengths" if isinstance(element, list | tuple) else type(element).__name__
        raise InvalidRequest(f"input '{wanted.name}' takes text (str or bytes), not {problem}", input=wanted.name)
    try:
        return element.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(
            f"input '{wanted.name}': {error.object[error.start]!r} at position {error.start} is half of a character "
            "(a lone surrogate) and cannot be sent",
            input=wanted.name,
        ) from error


def _numbers(value: Any, wanted: TensorMetadata) -> Array:
    """An array of the datatype's dtype."""
    try:
        data = np.asarray(value)
    except ValueError as error:
        raise InvalidRequest(f"input '{wanted.name}': lists of different lengths make no tensor") from error
    if not data.size:
        return np.empty(data.shape, BY_NAME[wanted.datatype].numpy)
    target = np.dtype(np.float32) if wanted.datatype == "BF16" else BY_NAME[wanted.datatype].numpy
    if data.dtype.kind not in _KINDS[target.kind]:
        given = data.dtype if data.dtype.kind != "U" else "text"
        raise InvalidRequest(f"input '{wanted.name}' takes {wanted.datatype}, not {given}", input=wanted.name)
    _check_range(data, target, wanted)
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(data.astype(target)).reshape(data.shape)
    if target.kind == "f" and not np.array_equal(np.isfinite(data), np.isfinite(converted)):
        raise InvalidRequest(f"input '{wanted.name}' holds numbers too large for {wanted.datatype}", input=wanted.name)
    return float_to_bf16(converted) if wanted.datatype == "BF16" else converted


def _check_range(data: Array, target: np.dtype[Any], wanted: TensorMetadata) -> None:
    if target.kind not in "iu" or data.dtype == target:
        return
    limits = np.iinfo(target)
    if int(data.min()) < limits.min or int(data.max()) > limits.max:
        raise InvalidRequest(
            f"input '{wanted.name}' takes {wanted.datatype} ({limits.min} to {limits.max}), "
            f"got {data.min()} to {data.max()}",
            input=wanted.name,
        )


def _fit(array: Array, wanted: TensorMetadata) -> tuple[Array, bool]:
    """Give an array the rank that the input declares, and say whether it was a lone value."""
    whole = _extend(array, wanted.shape)
    if whole is not None:
        return whole, False
    if wanted.shape and wanted.shape[0] == -1:
        row = _extend(array, wanted.shape[1:])
        if row is not None:
            return row[None], True
    raise InvalidRequest(
        f"input '{wanted.name}' takes shape {list(wanted.shape)} (-1 = any), got {list(array.shape)}",
        input=wanted.name,
    )


def _extend(array: Array, shape: Sequence[int]) -> Array | None:
    """The array in the declared rank, adding last dimensions that are 1 anyway; None if it cannot fit."""
    missing = len(shape) - array.ndim
    if missing < 0 or any(dim != 1 for dim in shape[array.ndim :]):
        return None
    if any(dim not in (-1, size) for dim, size in zip(shape, array.shape, strict=False)):
        return None
    return array.reshape(array.shape + (1,) * missing)


def from_tensors(tensors: Iterable[Tensor], lone_outputs: frozenset[str]) -> dict[str, Any]:
    """Make the values of an answer, by output; lone_outputs: see `to_tensors`."""
    return {tensor.name: from_tensor(tensor, is_lone=tensor.name in lone_outputs) for tensor in tensors}


def from_tensor(tensor: Tensor, *, is_lone: bool) -> Any:
    """Make the value of an output: a numpy array, or a plain str, number or bool where no dimension is left.

    BYTES become `str` if all elements are UTF-8, else `bytes`; BF16 becomes float32. `is_lone` takes away a leading
    dimension of 1.
    """
    data = tensor.data
    if tensor.datatype == "BYTES":
        data = _texts(data)
    elif tensor.datatype == "BF16":
        data = bf16_to_float(data)
    if is_lone and data.ndim and data.shape[0] == 1:
        data = data[0] if data.ndim > 1 else data.reshape(())
    return data.item() if data.ndim == 0 else data


def _texts(data: Array) -> Array:
    """Object array of `str`, or the same array where some element is not UTF-8."""
    texts = np.empty(data.size, dtype=np.object_)
    try:
        texts[:] = [element.decode() for element in data.ravel().tolist()]
    except UnicodeDecodeError:
        return data
    return texts.reshape(data.shape)
