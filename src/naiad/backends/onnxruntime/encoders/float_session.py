"""Run a graph: feeds by name in, float32 arrays by name out, whatever precision the file computes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from naiad.backends.onnxruntime.ports import read_value
from naiad.backends.onnxruntime.session import runtime
from naiad.core.tensor import Array

BRAIN_FLOAT = "tensor(bfloat16)"
"""A type that numpy has not; the runtime's binding gives it as a value only."""


class FloatSession:
    """One session of an encoder's graph; safe to use from several threads at a time."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._brain_floats = {node.name for node in session.get_outputs() if node.type == BRAIN_FLOAT}

    def run(self, names: Sequence[str], feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Compute these outputs. Raises what the runtime raises."""
        if self._brain_floats.isdisjoint(names):
            arrays = self._session.run(list(names), feeds)
            return {name: np.asarray(array, np.float32) for name, array in zip(names, arrays, strict=True)}
        ort_value = runtime().OrtValue
        given = {name: ort_value.ortvalue_from_numpy(np.ascontiguousarray(feed)) for name, feed in feeds.items()}
        values = self._session.run_with_ort_values(list(names), given)
        return {name: self._read(name, value) for name, value in zip(names, values, strict=True)}

    def _read(self, name: str, value: Any) -> Array:
        array = read_value(value)
        if name in self._brain_floats:  # the upper half of a float32
            return (array.astype(np.uint32) << 16).view(np.float32)
        return np.asarray(array, np.float32)
