"""From the shape that a configuration declares to the one that a model takes or gives, and back."""

from __future__ import annotations

from collections.abc import Sequence

from naiad.core.errors import ModelFailed
from naiad.core.tensor import Array


class Reshape:
    """From one shape to another with the same number of elements; wildcards keep their order."""

    def __init__(self, source: Sequence[int], target: Sequence[int], batch_dims: int) -> None:
        self.batch_dims = batch_dims
        self.target = tuple(target)
        wildcards = iter(place for place, dim in enumerate(source) if dim == -1)
        self.taken_from = tuple(next(wildcards) if dim == -1 else None for dim in target)
        """For each target dim: None where it is fixed, else the place of the source dim that gives its size."""

    def __call__(self, data: Array) -> Array:
        """Give a view with the target shape behind the batch dimension. Raises ModelFailed if elements differ."""
        inner = data.shape[self.batch_dims :]
        try:
            shape = tuple(
                dim if place is None else inner[place] for dim, place in zip(self.target, self.taken_from, strict=True)
            )
            return data.reshape(data.shape[: self.batch_dims] + shape)
        except (ValueError, IndexError) as error:
            raise ModelFailed(
                f"a tensor of shape {list(data.shape)} cannot be reshaped to {list(self.target)}"
            ) from error
