"""Memory layouts that a model may give an output in; all say the same numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from naiad.core.datatypes import BY_NAME
from naiad.core.tensor import Array


def _every_second(data: Array) -> Array:
    """A view with steps along the last axis, as a column of a matrix is."""
    return np.repeat(data, 2, axis=-1)[..., ::2] if data.ndim else data


def _column(data: Array) -> Array:
    """A view into a wider array, as one class of many is."""
    wide = np.stack([data, data, data], axis=-1)
    return wide[..., 1]


def _misaligned(data: Array) -> Array:
    if data.dtype == object:
        return data
    return np.ndarray(data.shape, data.dtype, memoryview(b"x" + data.tobytes())[1:])


def _read_only(data: Array) -> Array:
    copy = data.copy()
    copy.flags.writeable = False
    return copy


def _foreign_bytes(data: Array) -> Array:
    return data if data.dtype == object else data.astype(data.dtype.newbyteorder(">"))


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "as it is": lambda data: data,
    "Fortran": lambda data: data.copy(order="F"),
    "every second": _every_second,
    "a column": _column,
    "backwards": lambda data: np.flip(np.flip(data).copy()) if data.ndim else data,
    "transposed": lambda data: data.T.copy().T,
    "misaligned": _misaligned,
    "read-only": _read_only,
    "big-endian": _foreign_bytes,
    "big-endian column": lambda data: _column(_foreign_bytes(data)),
}

SHAPES: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (3,), (2, 0), (0, 4), (3, 2), (2, 3, 4), (1500,), (1, 40, 50))


def sample(datatype: str, shape: tuple[int, ...]) -> Array:
    """Numbers of a datatype, or strings, that all its encoders can carry."""
    count = int(np.prod(shape))
    if datatype == "BYTES":
        strings = np.empty(count, np.object_)
        strings[:] = [f"größe {at}".encode() for at in range(count)]
        return strings.reshape(shape)
    if datatype == "BOOL":
        return (np.arange(count) % 3 == 0).reshape(shape)
    return (np.arange(count) % 100).astype(BY_NAME[datatype].numpy).reshape(shape)
