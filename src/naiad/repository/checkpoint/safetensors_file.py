"""One safetensors file, read a tensor at a time.

The check that the file is sound is the library's. Tensors are read from the file, not through the library's mapping of
it: whoever copies new weights over a file that is mapped ends the process that reads it (SIGBUS). Layout:
https://github.com/huggingface/safetensors
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from naiad.core.bf16 import bf16_to_float
from naiad.core.errors import LoadFailed
from naiad.core.tensor import Array

BF16 = "BF16"

DTYPES = {
    BF16: "<u2",  # numpy has none; the upper halves of float32
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}
"""The format's types that numpy has, and how they are stored."""


class SafetensorsFile:
    """A context manager. Raises LoadFailed where the file is not sound."""

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        self.path = path
        with ExitStack() as opened:
            try:
                with safe_open(path, framework="numpy"):
                    self._file = opened.enter_context(path.open("rb", buffering=0))
                length = int.from_bytes(self._file.read(8), "little")
                self._tensors: dict[str, dict[str, Any]] = json.loads(self._file.read(length))
            except (SafetensorError, OSError, ValueError) as error:
                raise LoadFailed(f"{path}: not a readable safetensors file: {error}", path=str(path)) from error
            opened.pop_all()
        self._tensors.pop("__metadata__", None)
        self._data_start = 8 + length

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def names(self) -> list[str]:
        """Every tensor's name."""
        return list(self._tensors)

    def kind(self, name: str) -> str:
        """The type that a tensor is stored in, as the format calls it, such as F32 and BF16."""
        return str(self._tensors[name]["dtype"])

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape."""
        return tuple(self._tensors[name]["shape"])

    def read(self, name: str) -> Array:
        """A tensor as it is stored; BF16 as float32.

        Raises LoadFailed for types that numpy does not have, and for a file that has become shorter.
        """
        kind, shape = self.kind(name), self.shape(name)
        if kind not in DTYPES:
            raise LoadFailed(f"{self.path}: the weight {name} is {kind}, which cannot be read", weight=name)
        self._file.seek(self._data_start + self._tensors[name]["data_offsets"][0])
        data = np.fromfile(self._file, DTYPES[kind], prod(shape))
        if data.size != prod(shape):
            raise LoadFailed(
                f"{self.path}: the file was changed while it was read; load the model again", path=str(self.path)
            )
        stored = data.reshape(shape)
        return bf16_to_float(stored) if kind == BF16 else stored
