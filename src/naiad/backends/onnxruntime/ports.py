"""How one tensor of a request becomes one tensor of the graph, and back.

A port is made once per input or output at load time and says in `is_plain` whether there is anything to do at all: the
hot path in `tensors` then goes around it. What a port may have to do: reshape, flatten ragged inputs, turn bytes into
the str that ONNX Runtime wants (its string tensors are UTF-8 to Python), and carry BF16, which numpy does not have.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from naiad.backends.onnxruntime.session import runtime
from naiad.backends.reshape import Reshape
from naiad.core.errors import InvalidRequest
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Array

ONNX_BFLOAT16 = 16  # TensorProto.BFLOAT16


class InputPort:
    """One input."""

    def __init__(self, config: TensorConfig, batch_dims: int, *, is_scalar: bool = False) -> None:
        """is_scalar: the graph takes a tensor without dimensions, whatever dims of one element are configured."""
        self.name = config.name
        self.datatype = config.datatype
        self.is_optional = config.optional
        self.is_ragged = config.is_ragged and batch_dims == 1
        target = () if is_scalar else config.reshape
        self.reshape = None
        if target is not None and target != config.dims and not self.is_ragged:
            self.reshape = Reshape(config.dims, target, batch_dims)
        self.is_plain = not (self.is_optional or self.is_ragged or self.reshape or self.datatype in {"BYTES", "BF16"})

    def gather(self, arrays: list[Array]) -> Any:
        """Feed for the graph from one array per request, joined on dim 0. Raises InvalidRequest, ModelFailed."""
        if self.is_ragged:
            arrays = [array.reshape(-1) for array in arrays]
        data = aligned(arrays[0]) if len(arrays) == 1 else np.concatenate(arrays)
        if self.reshape is not None:
            data = self.reshape(data)
        if self.datatype == "BYTES":
            return decode(self.name, data)
        if self.datatype == "BF16":
            return brain_float(data)
        return data


class OutputPort:
    """One output."""

    def __init__(self, config: TensorConfig, batch_dims: int, *, may_be_scalar: bool = False) -> None:
        """may_be_scalar: the graph may give a tensor without dimensions for the configured dims, if these are all 1."""
        self.name = config.name
        self.datatype = config.datatype
        self.dims = config.dims
        self.reshape = None if config.reshape is None else Reshape(config.reshape, config.dims, batch_dims)
        has_one = all(dim == 1 for dim in config.dims)
        self._scalar = Reshape((), config.dims, 0) if may_be_scalar and has_one and not batch_dims else None
        """What gives a tensor without dimensions those that are configured."""
        self.is_plain = self.reshape is None and self._scalar is None and self.datatype not in {"BYTES", "BF16"}

    def convert(self, value: Any) -> Array:
        """Array as the protocol wants it, from what the graph gave. Raises ModelFailed."""
        data = np.asarray(value)
        if self.datatype == "BYTES":
            data = encode(data)
        if self._scalar is not None and not data.ndim:
            return self._scalar(data)
        return data if self.reshape is None else self.reshape(data)


def aligned(data: Array) -> Array:
    """Copy data whose address does not suit its type: bytes of a body may begin anywhere, vector loads may not."""
    return data if data.flags.aligned else data.copy()


def decode(name: str, data: Array) -> Array:
    """Object array of bytes → object array of str. Raises InvalidRequest naming the element that is not UTF-8.

    ONNX Runtime's Python binding takes str only: given bytes it would feed their repr, and a string tensor that is
    not UTF-8 can be neither fed nor read through it.
    """
    values = data.ravel().tolist()
    texts = np.empty(len(values), dtype=np.object_)
    place = -1
    try:
        for place, value in enumerate(values):
            texts[place] = value.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"input '{name}': element {place} is not UTF-8, which string tensors of the onnxruntime backend must be "
            f"({error.reason} at byte {error.start}); send binary data as a UINT8 tensor",
            tensor=name,
        ) from error
    return texts.reshape(data.shape)


def encode(data: Array) -> Array:
    """Object array of str → object array of bytes."""
    values = data.ravel().tolist()
    raw = np.empty(len(values), dtype=np.object_)
    raw[:] = [value.encode() for value in values]
    return raw.reshape(data.shape)


def brain_float(data: Array) -> Any:
    """Raw uint16 → an OrtValue of BF16 over the same memory, which it keeps alive."""
    contiguous = np.ascontiguousarray(data)
    return runtime().OrtValue.ortvalue_from_numpy_with_onnx_type(contiguous, ONNX_BFLOAT16)


def read_value(value: Any) -> Array:
    """An OrtValue as a numpy array; BF16 as raw uint16, copied because the value owns its memory."""
    if value.data_type() != "tensor(bfloat16)":
        return np.asarray(value.numpy())
    size = value.tensor_size_in_bytes()
    if size == 0:
        return np.empty(value.shape(), dtype=np.uint16)
    memory = (ctypes.c_uint8 * size).from_address(value.data_ptr())
    return np.frombuffer(memory, dtype=np.uint16).reshape(value.shape()).copy()
