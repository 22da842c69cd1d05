"""One safetensors file, read a tensor at a time.

BF16, which numpy does not have, is read from the file itself (its layout: https://github.com/huggingface/safetensors);
everything else, and the check that the file is sound, is the library's.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from naiad.core.bf16 import bf16_to_float
from naiad.core.errors import LoadFailed
from naiad.core.tensor import Array

BF16 = "BF16"


class SafetensorsFile:
    """A context manager. Raises LoadFailed where the file is not sound."""

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        self.path = path
        try:
            self._handle: Any = safe_open(path, framework="numpy")
        except (SafetensorError, OSError) as error:
            raise LoadFailed(f"{path}: not a readable safetensors file: {error}", path=str(path)) from error
        self._places: dict[str, Any] = {}
        self._data_start = 0

    def __enter__(self) -> Self:
        self._handle.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.__exit__(kind, error, trace)

    def names(self) -> list[str]:
        """Every tensor's name."""
        return list(self._handle.keys())

    def kind(self, name: str) -> str:
        """The type that a tensor is stored in, as the format calls it, such as F32 and BF16."""
        return str(self._handle.get_slice(name).get_dtype())

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape."""
        return tuple(self._handle.get_slice(name).get_shape())

    def read(self, name: str) -> Array:
        """A tensor as it is stored; BF16 as float32. Raises LoadFailed for types that numpy does not have."""
        kind = self.kind(name)
        if kind == BF16:
            return bf16_to_float(self._halves(name))
        try:
            return np.asarray(self._handle.get_tensor(name))
        except (TypeError, AttributeError) as error:  # one or the other, by type
            raise LoadFailed(f"{self.path}: the weight {name} is {kind}, which cannot be read", weight=name) from error

    def _halves(self, name: str) -> Array:
        with self.path.open("rb") as file:
            if not self._places:
                length = int.from_bytes(file.read(8), "little")
                self._places, self._data_start = json.loads(file.read(length)), 8 + length
            place = self._places[name]
            start, stop = place["data_offsets"]
            file.seek(self._data_start + start)
            return np.frombuffer(file.read(stop - start), "<u2").reshape(place["shape"])
