"""A declared input or output of a function: name, dtype, shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from naiad.core.datatypes import BY_NAME, BY_NUMPY, Datatype
from naiad.core.errors import InvalidConfiguration

_STRINGS = "SUO"
"""Kinds of numpy's dtypes that hold text, bytes or objects: each declares strings."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output. Raises InvalidConfiguration for a dtype or a shape that no tensor has."""

    shape: Sequence[int]
    """Without the batch dimension; -1: any length."""
    dtype: Any
    """As numpy takes it (`np.float32`, "int64"); `bytes`, `str` or `object` for strings; or a datatype: "BF16"."""
    name: str | None = None
    """None: INPUT_1, INPUT_2 … or OUTPUT_1 … by its place in the list."""
    optional: bool = False
    """Inputs: requests may leave it out."""

    def __post_init__(self) -> None:
        if isinstance(self.shape, int | str) or not all(isinstance(dim, int | np.integer) for dim in self.shape):
            raise InvalidConfiguration(f"{self._called}: shape must be a tuple of whole numbers, not {self.shape!r}")
        object.__setattr__(self, "shape", tuple(int(dim) for dim in self.shape))
        if not self.shape or any(dim < 1 and dim != -1 for dim in self.shape):
            raise InvalidConfiguration(
                f"{self._called}: shape {list(self.shape)} must have at least one dimension, each 1 or more, or -1 for "
                "any length; the batch dimension is left out"
            )
        _row(self)

    @property
    def row(self) -> Datatype:
        """The datatype."""
        return _row(self)

    @property
    def _called(self) -> str:
        return f"tensor '{self.name}'" if self.name else "a tensor without a name"

    def document(self, name: str) -> dict[str, Any]:
        """The tensor as config.pbtxt has it, under its name."""
        document: dict[str, Any] = {"name": name, "data_type": self.row.config_name, "dims": list(self.shape)}
        return document | {"optional": True} if self.optional else document


def _row(tensor: Tensor) -> Datatype:
    if isinstance(tensor.dtype, str) and tensor.dtype in BY_NAME:
        return BY_NAME[tensor.dtype]
    try:
        dtype = np.dtype(tensor.dtype)
    except TypeError:
        dtype = None
    if dtype is not None and dtype.kind in _STRINGS:
        return BY_NAME["BYTES"]
    row = None if dtype is None else BY_NUMPY.get(dtype.newbyteorder("="))
    if row is None:
        raise InvalidConfiguration(
            f"{tensor._called}: dtype {tensor.dtype!r} is none that a tensor can have; give a dtype of numpy, bytes "
            f"for strings, or one of {', '.join(BY_NAME)}"
        )
    return row


def named(tensors: Sequence[Tensor], prefix: str) -> tuple[Tensor, ...]:
    """Give every tensor a name: `INPUT_1` … where it has none. Raises InvalidConfiguration for one given twice."""
    made = tuple(
        Tensor(tensor.shape, tensor.dtype, tensor.name or f"{prefix}_{number}", tensor.optional)
        for number, tensor in enumerate(tensors, 1)
    )
    names = [tensor.name for tensor in made]
    for name in names:
        if names.count(name) > 1:
            raise InvalidConfiguration(f"two tensors are called '{name}'; give one of them another name")
    return made
