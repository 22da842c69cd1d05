"""Differences, cosines and best answers of two models' answers, as numbers that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from naiad.convert.gate.compare import compare


def arrays(*rows: list[float] | list[list[float]]) -> list[np.ndarray]:
    return [np.array(row, np.float32) for row in rows]


def test_equal_answers() -> None:
    found = compare("logits", arrays([1, 2], [0, 0]), arrays([1, 2], [0, 0]))
    assert (found.rows, found.scale, found.max_difference, found.same_best) == (2, 2, 0, 1)
    assert found.lowest_cosine == pytest.approx(1)


def test_differences_are_absolute_and_relative_to_the_largest_value_of_the_reference() -> None:
    found = compare("last_hidden_state", arrays([4, 0], [0, 2]), arrays([4, 1], [0, 2]))
    assert found.max_difference == 1
    assert found.mean_difference == 0.25
    assert found.relative == 0.25
    assert found.same_best is None


def test_cosines_are_by_row() -> None:
    found = compare("embedding", arrays([1, 0], [0, 1]), arrays([1, 0], [1, 0]))
    assert found.mean_cosine == pytest.approx(0.5)
    assert found.lowest_cosine == 0


def test_tokens_are_rows_of_their_own() -> None:
    found = compare("logits", arrays([[1, 0], [0, 1]], [[1, 0]]), arrays([[1, 0], [1, 0]], [[1, 0]]))
    assert found.rows == 3
    assert found.same_best == pytest.approx(2 / 3)


def test_rows_of_different_width() -> None:
    """Places of answers: one score for each token, of texts of different lengths."""
    found = compare("start_logits", arrays([1, 5, 2], [3, 1]), arrays([1, 5, 2], [1, 3]))
    assert found.same_best == 0.5


def test_ties_are_no_other_answer() -> None:
    found = compare("logits", arrays([1.0, 1.00001]), arrays([1.00001, 1.0]))
    assert found.same_best == 1


def test_single_numbers_have_the_cosine_of_their_column() -> None:
    found = compare("logits", arrays([1], [-1]), arrays([2], [-2]))
    assert found.lowest_cosine == pytest.approx(1)
    assert found.same_best is None


@pytest.mark.parametrize("wrong", [[1.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_other_shapes_and_values_that_are_not_finite(wrong: list[float]) -> None:
    found = compare("logits", arrays([1, 2]), arrays(wrong))
    assert found.max_difference == float("inf")
