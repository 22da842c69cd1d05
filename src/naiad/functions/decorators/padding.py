"""`@pad_batch`: every call has one of few batch sizes, which compiled models want."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

import numpy as np

from naiad.functions.context import current_model
from naiad.functions.decorators.outputs import by_name
from naiad.functions.decorators.wrapping import Arguments, Function, Named, wrap


def pad_batch(function: Function) -> Function:
    """Repeat the last row up to the next preferred batch size, or the maximum; outputs lose these rows again.

    Stands below `@batch`, in a model that has a batch dimension.
    """
    return wrap(function, "pad_batch", _pad, _trim)


def _pad(args: Arguments, named: Named) -> tuple[Arguments, Named, tuple[int, int]]:
    model = current_model()
    if not model.batches:
        raise ValueError(f"@pad_batch: model '{model.name}' has no batch dimension; bind it with a max_batch_size")
    rows = len(next(iter(named.values())))
    sizes = sorted({*model.preferred_batch_sizes, model.max_batch_size})
    at = bisect_left(sizes, rows)
    size = sizes[at] if at < len(sizes) else rows
    if size == rows:
        return args, named, (rows, size)
    padded = {
        name: np.concatenate([array, np.repeat(array[-1:], size - rows, axis=0)]) for name, array in named.items()
    }
    return args, padded, (rows, size)


def _trim(outputs: Any, sizes: tuple[int, int]) -> Mapping[str, Any]:
    rows, size = sizes
    arrays = by_name(outputs)
    return {name: array[:rows] if np.shape(array)[:1] == (size,) else array for name, array in arrays.items()}
