"""A tensor as it travels through the server: a name, a datatype, and an array.

No parsing and no checking here: `protocol` makes tensors from bytes, `serving` checks them against the model config.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from naiad.core.datatypes import BY_NAME, BY_NUMPY
from naiad.core.errors import Failed, InvalidRequest
from naiad.core.machine.freeing import freed_in_pieces

MANY_STRINGS = 64 * 1024
"""More are moved by several calls: in a longer one nobody else would get on, whichever thread makes it."""

Array = np.ndarray[Any, np.dtype[Any]]
"""Any numpy array; shapes and dtypes are given in docstrings where they matter."""


@dataclass(slots=True)
class Tensor:
    """A named array. Not frozen: one is made for every input of every request, and frozen costs twice as much."""

    name: str
    datatype: str
    """Name of a row of `naiad.core.datatypes.TABLE`."""
    data: Array
    """Shape is the tensor's shape. BYTES: object array whose elements are `bytes`. May be read-only: do not write."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape, batch dimension included."""
        shape: tuple[int, ...] = self.data.shape
        return shape

    @classmethod
    def of(cls, name: str, data: Array) -> Tensor:
        """Name an array, taking the datatype from its dtype.

        Raises InvalidRequest for a dtype without a row in the table (complex numbers, dates, str arrays …).
        """
        row = BY_NUMPY.get(data.dtype.newbyteorder("="))
        if row is None:
            raise InvalidRequest(f"tensor '{name}': no datatype for numpy dtype {data.dtype}", tensor=name)
        return cls(name, row.name, data)


def wire_array(tensor: Tensor) -> Array:
    """The tensor's data as encoders want it: row-major and of the datatype's dtype; itself where it already is.

    Models may give any memory layout: strided views, Fortran order, foreign byte order. Only for datatypes of a fixed
    size, not BYTES. Raises Failed where the data is not of the tensor's datatype at all.
    """
    data = tensor.data
    dtype = BY_NAME[tensor.datatype].numpy
    if data.dtype != dtype:
        if data.dtype.newbyteorder("=") != dtype:
            raise Failed(
                f"output '{tensor.name}' is declared as {tensor.datatype}, but the model returned {data.dtype}",
                tensor=tensor.name,
            )
        return data.astype(dtype, order="C")
    return data if data.flags.c_contiguous else data.copy(order="C")


def raw_strings(tensor: Tensor) -> list[bytes]:
    """The elements of a BYTES tensor in row-major order; str, which models may give too, as UTF-8.

    Raises Failed for elements that are neither.
    """
    values = tensor.data.ravel().tolist()
    if not all(type(value) is bytes for value in values):
        try:
            return [value.encode() if isinstance(value, str) else bytes(memoryview(value)) for value in values]
        except (TypeError, UnicodeEncodeError) as error:
            raise Failed(f"output '{tensor.name}' holds an element that is not a string: {error}") from error
    return values


def pieces_of(tensor: Tensor, elements: int = MANY_STRINGS) -> Iterator[Tensor]:
    """Cut a tensor into flat ones of so many elements, in row-major order."""
    flat = tensor.data.ravel()
    for at in range(0, flat.size, elements):
        yield Tensor(tensor.name, tensor.datatype, flat[at : at + elements])


def gather_strings(values: Iterator[bytes], count: int) -> tuple[Array, int]:
    """Put strings into a (count,) array, and return how many there were; one more than that, if there were more.

    Never a list of all of them: while there is one, garbage collection walks over it, on whichever thread it begins.
    """
    data = np.empty(count, dtype=np.object_)
    at = 0
    while piece := list(islice(values, min(MANY_STRINGS, count + 1 - at))):
        end = at + len(piece)
        if end > count:
            return data, end
        data[at:end] = piece
        at = end
    return data, at


def bytes_tensor(name: str, values: list[bytes] | Array, shape: tuple[int, ...] | None = None) -> Tensor:
    """Make a BYTES tensor; shape defaults to (len(values),)."""
    if isinstance(values, np.ndarray):
        data = values
    else:
        data = np.empty(len(values), dtype=np.object_)
        data[:] = values
    shaped = data if shape is None else data.reshape(shape)
    return Tensor(name, "BYTES", shaped if data.size <= MANY_STRINGS else freed_in_pieces(shaped))
