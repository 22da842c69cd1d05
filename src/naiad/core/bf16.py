"""BF16 ⇄ float32: numpy has no such type, so that it travels as uint16, the upper half of a float32."""

from __future__ import annotations

from typing import Any

import numpy as np

_Array = np.ndarray[Any, np.dtype[Any]]


def float_to_bf16(data: _Array) -> _Array:
    """float32 → uint16 of the same shape: the upper half, rounded to the nearest, ties to even."""
    bits = np.ascontiguousarray(data, dtype=np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    quiet_nan = (bits >> 16) | 0x40
    return np.where(np.isnan(data), quiet_nan, rounded).astype(np.uint16).reshape(data.shape)


def bf16_to_float(data: _Array) -> _Array:
    """uint16 → float32 of the same shape; exact."""
    return np.asarray(data.astype(np.uint32) << 16).view(np.float32)
