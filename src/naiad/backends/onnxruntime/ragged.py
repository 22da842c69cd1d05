"""What a graph is told of the requests in its batch, and how what it gives for all of them flat is cut: pure functions.

Ragged inputs of a batch lie end to end in one dimension, so the graph needs further inputs to find the borders, and may
give an output that is as flat. Source: Triton, `BatchInput` and `BatchOutput` of model_config.proto, and what its
backends make of them: counts are by request, with all its rows; shapes are by row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from math import prod

import numpy as np

from naiad.core.datatypes import BY_NAME
from naiad.core.errors import ModelFailed
from naiad.core.model.config import BatchInput
from naiad.core.tensor import Array

Shape = tuple[int, ...]
"""Of one request's tensor, batch dimension included."""

_LARGEST_INT32 = 2**31 - 1


def _counts(shapes: Sequence[Shape]) -> Array:
    return np.array([prod(shape) for shape in shapes], np.int64)


def _accumulated(shapes: Sequence[Shape]) -> Array:
    return np.cumsum(_counts(shapes))


def _accumulated_with_zero(shapes: Sequence[Shape]) -> Array:
    return np.concatenate(([0], _accumulated(shapes)))


def _largest_as_shape(shapes: Sequence[Shape]) -> Array:
    return np.zeros(_counts(shapes).max(), np.int64)


def _item_shapes(shapes: Sequence[Shape]) -> Array:
    rows = np.array([shape[1:] for shape in shapes], np.int64)
    return np.repeat(rows, [shape[0] for shape in shapes], axis=0)


def _item_shapes_flat(shapes: Sequence[Shape]) -> Array:
    return _item_shapes(shapes).reshape(-1)


BATCH_INPUTS: Mapping[str, Callable[[Sequence[Shape]], Array]] = {
    "BATCH_ELEMENT_COUNT": _counts,
    "BATCH_ACCUMULATED_ELEMENT_COUNT": _accumulated,
    "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO": _accumulated_with_zero,
    "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE": _largest_as_shape,
    "BATCH_ITEM_SHAPE": _item_shapes,
    "BATCH_ITEM_SHAPE_FLATTEN": _item_shapes_flat,
}
"""How each kind of batch input is made of the shapes of its source in the requests, in their order."""


def make_batch_input(wanted: BatchInput, shapes: Sequence[Shape]) -> Array:
    """Make what a batch input's targets get; shapes: of its source, of each request. Raises ModelFailed.

    (requests,) for counts, one more with zero; (largest count,) of zeros where only the shape tells; (rows, dims) for
    shapes, or flat.
    """
    made = BATCH_INPUTS[wanted.kind](shapes)
    if wanted.datatype == "INT32" and made.size and made.max() > _LARGEST_INT32:
        raise ModelFailed(
            f"batch input '{wanted.names[0]}' would be {made.max()}, which INT32 cannot hold; make batches smaller"
        )
    return made.astype(BY_NAME[wanted.datatype].numpy)


def batch_input_shape(kind: str, source_dims: int) -> Shape:
    """Return the shape of a kind of batch input for a source of so many dims, without its batch dimension; -1 = any."""
    return (-1, source_dims) if kind == "BATCH_ITEM_SHAPE" else (-1,)


def scatter(name: str, data: Array, dims: Sequence[int], shapes: Sequence[Shape]) -> list[Array]:
    """Cut an output that is flat over the whole batch into the requests' own.

    dims: of the output in the configuration; where it is -1, the size is that of the same dimension of the source.
    shapes: of the source, of each request. Raises ModelFailed if there are more or fewer elements.
    """
    targets = [
        (shape[0], *(shape[place] if dim == -1 else dim for place, dim in enumerate(dims, 1))) for shape in shapes
    ]
    bounds = list(accumulate(map(prod, targets), initial=0))
    if bounds[-1] != data.size:
        raise ModelFailed(
            f"output '{name}' has {data.size} elements, but the shapes of the requests ask for {bounds[-1]}"
        )
    flat = data.reshape(-1)
    return [flat[start:stop].reshape(target) for (start, stop), target in zip(pairwise(bounds), targets, strict=True)]
