"""A tensor as it travels through the server: a name, a datatype, and an array.

No parsing and no checking here: `protocol` makes tensors from bytes, `serving` checks them against the model config.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from naiad.core.datatypes import BY_NUMPY
from naiad.core.errors import InvalidRequest

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
        row = BY_NUMPY.get(data.dtype)
        if row is None:
            raise InvalidRequest(f"tensor '{name}': no datatype for numpy dtype {data.dtype}", tensor=name)
        return cls(name, row.name, data)


def bytes_tensor(name: str, values: list[bytes], shape: tuple[int, ...] | None = None) -> Tensor:
    """Make a BYTES tensor; shape defaults to (len(values),)."""
    data = np.empty(len(values), dtype=np.object_)
    data[:] = values
    return Tensor(name, "BYTES", data if shape is None else data.reshape(shape))
