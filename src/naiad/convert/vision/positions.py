"""Positions of patches in numpy: those of another image size, and BEiT's bias by distance.

Computed once, at conversion, as torch.nn.functional.interpolate computes them at every run.
"""

from __future__ import annotations

import numpy as np

from naiad.core.errors import Unsupported
from naiad.core.tensor import Array

Grid = tuple[int, int]


def resample_positions(table: Array, wanted: Grid, method: str, *, is_square: bool) -> Array:
    """Positions of a grid of patches, (rows * columns, hidden), for another grid, as transformers makes them.

    method: `bicubic` or `antialias`. is_square: whether the images are; transformers leaves only their positions alone.
    Raises Unsupported for positions that are not those of a square.
    """
    if len(table) == wanted[0] * wanted[1] and is_square:
        return table
    side = int(len(table) ** 0.5)
    if side * side != len(table):
        raise Unsupported(
            f"this model has positions for {len(table)} patches, which do not form a square; transformers cannot bring "
            f"them to {wanted[0]} x {wanted[1]} patches either"
        )
    kernel = bicubic_matrix if method == "bicubic" else antialias_matrix
    down, across = kernel(side, wanted[0]), kernel(side, wanted[1])
    grid = table.reshape(side, side, -1).astype(np.float64)
    made = np.einsum("ih,hwc,jw->ijc", down, grid, across, optimize=True)
    positions: Array = made.reshape(-1, table.shape[1]).astype(np.float32)
    return positions


def bicubic_matrix(size: int, wanted: int) -> Array:
    """(wanted, size) weights of bicubic interpolation along one axis, without anti-aliasing, edges repeated."""
    places = (np.arange(wanted) + 0.5) * (size / wanted) - 0.5
    first = np.floor(places).astype(np.int64)
    matrix = np.zeros((wanted, size))
    for offset in (-1, 0, 1, 2):
        at = np.clip(first + offset, 0, size - 1)
        np.add.at(matrix, (np.arange(wanted), at), _cubic(places - (first + offset), -0.75))
    return matrix


def antialias_matrix(size: int, wanted: int) -> Array:
    """(wanted, size) weights of anti-aliased bicubic interpolation along one axis: what lies outside does not count."""
    scale = size / wanted
    stretch = max(scale, 1.0)
    matrix = np.zeros((wanted, size))
    for row in range(wanted):
        centre = scale * (row + 0.5)
        first = max(int(centre - 2 * stretch + 0.5), 0)
        last = min(int(centre + 2 * stretch + 0.5), size)
        weights = _cubic((np.arange(first, last) - centre + 0.5) / stretch, -0.5)
        matrix[row, first:last] = weights / weights.sum()
    return matrix


def bilinear_matrix(size: int, wanted: int) -> Array:
    """(wanted, size) weights of linear interpolation along one axis, edges repeated."""
    places = np.maximum((np.arange(wanted) + 0.5) * (size / wanted) - 0.5, 0)
    first = np.minimum(places.astype(np.int64), size - 1)
    second = np.minimum(first + 1, size - 1)
    matrix = np.zeros((wanted, size))
    rows, share = np.arange(wanted), places - first
    np.add.at(matrix, (rows, first), 1 - share)
    np.add.at(matrix, (rows, second), share)
    return matrix


def relative_bias(table: Array, trained: Grid, wanted: Grid) -> Array:
    """BEiT's bias for each head and each pair of tokens, (heads, 1 + patches, 1 + patches).

    table: (distances + 3, heads); the last three rows are for class token to patch, patch to class token, and itself.
    """
    # transformers reads the table with height and width exchanged; for images that are not square that matters.
    old_height, old_width = 2 * trained[0] - 1, 2 * trained[1] - 1
    new_height, new_width = 2 * wanted[0] - 1, 2 * wanted[1] - 1
    inner = table[:-3].reshape(old_width, old_height, -1).astype(np.float64)
    down, across = bilinear_matrix(old_width, new_height), bilinear_matrix(old_height, new_width)
    inner = np.einsum("ih,hwc,jw->ijc", down, inner, across, optimize=True).reshape(new_height * new_width, -1)
    rows = np.concatenate([inner.astype(np.float32), table[-3:]])
    bias: Array = rows[_relative_index(wanted)].transpose(2, 0, 1)
    return bias


def _relative_index(grid: Grid) -> Array:
    """(1 + patches, 1 + patches): the row of the table for each pair of tokens."""
    height, width = grid
    down, across = np.divmod(np.arange(height * width), width)
    vertical = down[:, None] - down[None, :] + height - 1
    horizontal = across[:, None] - across[None, :] + width - 1
    distances = (2 * height - 1) * (2 * width - 1)
    index = np.empty((1 + height * width, 1 + height * width), np.int64)
    index[1:, 1:] = vertical * (2 * width - 1) + horizontal
    index[0, :] = distances
    index[:, 0] = distances + 1
    index[0, 0] = distances + 2
    return index


def _cubic(distance: Array, a: float) -> Array:
    """Keys' cubic convolution kernel."""
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    kernel: Array = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return kernel
