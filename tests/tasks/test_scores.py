from __future__ import annotations

import numpy as np
import pytest

from naiad.tasks.scores import apply_function, best, best_of_many, sigmoid, softmax

LOGITS = np.array([[1.0, 3.0, 2.0], [-200.0, 0.0, 200.0]], np.float32)


def test_softmax_gives_shares_of_one_and_does_not_overflow() -> None:
    shares = softmax(LOGITS)
    np.testing.assert_allclose(shares.sum(axis=-1), [1, 1], rtol=1e-6)
    np.testing.assert_allclose(shares[0], [0.09003057, 0.66524096, 0.24472847], rtol=1e-6)
    assert shares[1].tolist() == [0, 0, 1]
    assert shares.dtype == np.float32


def test_sigmoid_is_between_zero_and_one_and_does_not_overflow() -> None:
    np.testing.assert_allclose(sigmoid(LOGITS)[0], [0.73105858, 0.95257413, 0.88079708], rtol=1e-6)
    assert sigmoid(LOGITS)[1].tolist() == [0, 0.5, 1]
    assert sigmoid(LOGITS).dtype == np.float32


@pytest.mark.parametrize(
    ("name", "expected"), [("none", LOGITS), ("tanh", np.tanh(LOGITS)), ("softmax", softmax(LOGITS))]
)
def test_functions_by_name(name: str, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(apply_function(name, LOGITS), expected)


def test_the_best_come_first_and_ties_keep_their_order() -> None:
    order, scores = best(np.array([[1, 3, 3, 2]], np.float32), 3)
    assert order.tolist() == [[1, 2, 3]]
    assert scores.tolist() == [[3, 3, 2]]


@pytest.mark.parametrize("count", [1, 5, 49, 50, 60])
def test_the_best_of_many_are_the_best(count: int) -> None:
    scores = np.random.default_rng(0).permutation(100).reshape(2, 50).astype(np.float32)
    for expected, found in zip(best(scores, count), best_of_many(scores, count), strict=True):
        np.testing.assert_array_equal(expected, found)
