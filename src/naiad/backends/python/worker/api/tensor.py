"""A tensor as model code has it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..datatypes import BY_NAME, name_of
from . import dlpack
from .errors import TritonModelException


class Tensor:
    """A name and an array. BYTES tensors are object arrays of `bytes`; BF16 can be had by DLPack only."""

    __slots__ = ("_data", "_datatype", "_name")

    def __init__(self, name: str, ndarray: Any) -> None:
        """Raises TypeError for what is no array, TritonModelException for an empty name or an unknown dtype."""
        if type(ndarray) is not np.ndarray and not isinstance(ndarray, np.ndarray):
            raise TypeError(f"Tensor '{name}': expected a numpy array, not {type(ndarray).__name__}")
        datatype = name_of(ndarray.dtype)
        if datatype is None:
            raise TritonModelException(f"Tensor '{name}': numpy dtype {ndarray.dtype} has no Triton datatype")
        if type(name) is not str and not isinstance(name, str):
            raise TypeError(f"the name of a tensor must be a str, not {type(name).__name__}")
        if not name:
            raise TritonModelException("Tensor name cannot be an empty string.")
        self._name, self._datatype, self._data = name, datatype, ndarray

    @classmethod
    def _of(cls, name: str, datatype: str, data: Any) -> Tensor:
        """Make one of parts that are known to be right."""
        made = cls.__new__(cls)
        made._name, made._datatype, made._data = name, datatype, data
        return made

    def name(self) -> str:
        """Return the name."""
        return self._name

    def as_numpy(self) -> Any:
        """Return the array. Raises TritonModelException for BF16, which numpy does not have."""
        if self._datatype == "BF16":
            raise TritonModelException(f"Tensor '{self._name}' is BF16, which numpy does not have; use to_dlpack()")
        return self._data

    def triton_dtype(self) -> int:
        """Return the number of the datatype in Triton's enum."""
        return BY_NAME[self._datatype].number

    def shape(self) -> list[int]:
        """Return the dimensions, that of the batch included."""
        return list(self._data.shape)

    def is_cpu(self) -> bool:
        """Return True: there is no other memory here."""
        return True

    def to_dlpack(self) -> Any:
        """Return the data as a DLPack capsule."""
        return dlpack.to_capsule(self._data, self._datatype)

    @staticmethod
    def from_dlpack(name: str, tensor: Any) -> Tensor:
        """Make a tensor of a DLPack capsule, or of a tensor of any library that has `__dlpack__`."""
        if not name:
            raise TritonModelException("Tensor name cannot be an empty string.")
        datatype, data = dlpack.from_dlpack(tensor)
        return Tensor._of(name, datatype, data) if datatype else Tensor(name, data)

    def __dlpack__(self, **_: Any) -> Any:
        return self.to_dlpack()

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0
