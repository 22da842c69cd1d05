"""Which column of the relative embeddings a distance has."""

from __future__ import annotations

import numpy as np
import pytest

from naiad.convert.encoder.bodies.parts.distance import FARTHEST, Distances
from naiad.convert.encoder.config import Config
from naiad.convert.encoder.dimensions import read_dimensions
from naiad.core.errors import InvalidConfiguration


@pytest.mark.parametrize(
    ("distance", "column"),
    [
        *[(0, 256), (1, 257), (-1, 255), (127, 383), (128, 384), (129, 385), (130, 386), (300, 463)],
        *[(511, 511), (512, 511), (9999, 511), (-128, 128), (-129, 127), (-511, 1), (-512, 0), (-9999, 0)],
    ],
)
def test_the_published_buckets(distance: int, column: int) -> None:
    """256 buckets over 512 positions: its own column up to 128, shared ones beyond."""
    assert Distances(256, 256, 512).columns(np.array(distance)) == column


@pytest.mark.parametrize(("distance", "column"), [(0, 9), (8, 17), (9, 17), (30, 17), (-9, 0), (-30, 0)])
def test_without_buckets_distances_end(distance: int, column: int) -> None:
    assert Distances(9, 0, 9).columns(np.array(distance)) == column


@pytest.mark.parametrize("distances", [Distances(256, 256, 512), Distances(9, 0, 9), Distances(7, 7, 64)])
def test_beyond_the_farthest_nothing_changes(distances: Distances) -> None:
    farther = np.arange(distances.farthest, distances.farthest + 5000)
    assert set(distances.columns(farther)) == {2 * distances.span - 1}
    assert set(distances.columns(-farther)) == {distances.columns(np.array(-distances.farthest))}


def test_buckets_that_never_end_are_told_apart_for_long() -> None:
    assert Distances(3, 3, 512).farthest == FARTHEST


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Distances(64, 0, 64)),
        ({"max_relative_positions": 20}, Distances(20, 0, 20)),
        ({"position_buckets": 16}, Distances(16, 16, 64)),
        ({"position_buckets": 16, "max_relative_positions": 20}, Distances(16, 16, 20)),
        ({"position_buckets": 0, "max_relative_positions": 0}, Distances(64, 0, 64)),
    ],
    ids=str,
)
def test_read(options: dict[str, int], expected: Distances) -> None:
    config = Config({"model_type": "deberta-v2", "max_position_embeddings": 64, **options})
    assert Distances.read(config, read_dimensions(config)) == expected


def test_one_bucket_is_refused() -> None:
    config = Config({"model_type": "deberta-v2", "position_buckets": 1})
    with pytest.raises(InvalidConfiguration, match="position_buckets"):
        Distances.read(config, read_dimensions(config))
