from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.client.metadata import TensorMetadata
from naiad.client.values import from_tensor, to_tensor
from naiad.core.bf16 import bf16_to_float, float_to_bf16
from naiad.core.datatypes import TABLE
from naiad.core.errors import InvalidRequest
from naiad.core.tensor import Tensor, bytes_tensor


def wanted(datatype: str, *shape: int) -> TensorMetadata:
    return TensorMetadata("x", datatype, shape)


@pytest.mark.parametrize(
    ("value", "shape", "expected", "is_lone"),
    [
        ("hello", (-1,), (1,), True),
        (["hello"], (-1,), (1,), False),
        (["a", "b", "c"], (-1,), (3,), False),
        ([], (-1,), (0,), False),
        ("hello", (-1, 1), (1, 1), True),
        (["hello"], (-1, 1), (1, 1), False),
        (["a", "b"], (-1, 1), (2, 1), False),
        ([["a"], ["b"]], (-1, 1), (2, 1), False),
        ("hello", (1,), (1,), False),
        ("hello", (), (), False),
        (["a", "b"], (2,), (2,), False),
        ([["a", "b"]], (-1, 2), (1, 2), False),
        (["a", "b"], (-1, 2), (1, 2), True),
        (["a", "b"], (-1, -1), (1, 2), True),
    ],
)
def test_a_value_takes_the_shape_that_the_model_declares(
    value: Any, shape: tuple[int, ...], expected: tuple[int, ...], is_lone: bool
) -> None:
    tensor, lone = to_tensor(value, wanted("BYTES", *shape))
    assert (tensor.shape, lone) == (expected, is_lone)


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("hello", (2,)),
        (["a", "b"], (3,)),
        (["a", "b", "c"], (-1, 2)),
        ([["a"]], (-1,)),
        ([[["a"]]], (-1, -1)),
        ("hello", (-1, 3)),
    ],
)
def test_a_value_of_another_shape_is_refused_with_both_shapes(value: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidRequest, match=r"input 'x' takes shape \[.*\] \(-1 = any\), got \["):
        to_tensor(value, wanted("BYTES", *shape))


@pytest.mark.parametrize(
    ("value", "datatype", "words"),
    [
        (5, "BYTES", "takes text .* not int"),
        (["a", None], "BYTES", "not NoneType"),
        ([["a", "b"], ["c"]], "BYTES", "lists of different lengths"),
        ("\ud800", "BYTES", "half of a character"),
        ([[1.0, 2.0], [3.0]], "FP32", "lists of different lengths"),
        ("five", "FP32", "takes FP32, not text"),
        ([1.5], "INT32", "takes INT32, not float64"),
        ([1], "BOOL", "takes BOOL, not int64"),
        ([1j], "FP32", "takes FP32, not complex128"),
        ([300], "UINT8", r"takes UINT8 \(0 to 255\), got 300 to 300"),
        ([-1, 5], "UINT64", r"got -1 to 5"),
        ([2**31], "INT32", "takes INT32"),
        ([2**64], "INT64", "takes INT64, not object"),
        ([1e6], "FP16", "too large for FP16"),
        ([1e39], "FP32", "too large for FP32"),
        ([1e39], "BF16", "too large for BF16"),
        (["a"], "FP8", "which this client does not know"),
    ],
)
def test_a_value_that_would_lose_its_meaning_is_refused(value: Any, datatype: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        to_tensor(value, wanted(datatype, -1))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_plain_values_survive_the_way_there_and_back(row: Any) -> None:
    values: list[Any] = ["a", "ä"] if row.name == "BYTES" else [True, False] if row.name == "BOOL" else [0, 1]
    tensor, is_lone = to_tensor(values, wanted(row.name, -1))
    assert tensor.data.dtype == row.numpy
    assert from_tensor(tensor, is_lone=is_lone).tolist() == values


def test_numbers_may_widen_and_numpy_arrays_keep_their_values() -> None:
    tensor, _ = to_tensor(np.arange(6, dtype=np.int16).reshape(2, 3)[:, ::-1], wanted("FP64", -1, 3))
    assert tensor.data.tolist() == [[2.0, 1.0, 0.0], [5.0, 4.0, 3.0]]
    assert tensor.data.flags.c_contiguous


def test_big_endian_arrays_are_turned() -> None:
    tensor, _ = to_tensor(np.array([1, 2], dtype=">i4"), wanted("INT32", -1))
    assert tensor.data.tobytes() == b"\1\0\0\0\2\0\0\0"


def test_infinity_and_nan_pass() -> None:
    tensor, _ = to_tensor([np.inf, -np.inf, np.nan], wanted("FP16", -1))
    assert np.array_equal(tensor.data, np.array([np.inf, -np.inf, np.nan], np.float16), equal_nan=True)


@given(st.lists(st.text(), min_size=1))
def test_text_comes_back_as_it_went(texts: list[str]) -> None:
    """Unicode, empty strings and NULs, also at the end, where numpy's own strings lose them."""
    tensor, is_lone = to_tensor(texts, wanted("BYTES", -1))
    assert from_tensor(tensor, is_lone=is_lone).tolist() == texts


def test_text_that_is_not_utf8_stays_bytes_in_all_its_tensor() -> None:
    assert from_tensor(bytes_tensor("x", [b"a", b"\xff"]), is_lone=False).tolist() == [b"a", b"\xff"]
    assert from_tensor(bytes_tensor("x", [b"a", b"\xc3\xa4"]), is_lone=False).tolist() == ["a", "ä"]


@pytest.mark.parametrize(
    ("shape", "is_lone", "expected"),
    [((1, 3), True, (3,)), ((1, 3), False, (1, 3)), ((2, 3), True, (2, 3)), ((3,), True, (3,))],
)
def test_only_a_lone_answer_loses_its_batch_dimension(
    shape: tuple[int, ...], is_lone: bool, expected: tuple[int, ...]
) -> None:
    assert from_tensor(Tensor.of("x", np.zeros(shape, np.float32)), is_lone=is_lone).shape == expected


def test_a_value_without_dimensions_is_a_plain_one() -> None:
    label = from_tensor(bytes_tensor("label", [b"joy"]), is_lone=True)
    score = from_tensor(Tensor.of("score", np.array([0.5], np.float32)), is_lone=True)
    assert (label, type(label), score, type(score)) == ("joy", str, 0.5, float)


@given(st.floats(width=32, allow_nan=False))
def test_bf16_is_the_nearest_of_two_neighbours(value: float) -> None:
    bits = float_to_bf16(np.array([value], np.float32))
    nearest = float(bf16_to_float(bits)[0])
    around = [float(bf16_to_float((bits.astype(np.int64) + step).astype(np.uint16))[0]) for step in (-1, 1)]
    assert all(
        abs(nearest - value) <= abs(other - value) for other in around if np.isfinite(other) and np.isfinite(nearest)
    )


def test_bf16_keeps_nan() -> None:
    signalling = np.array([0x7F800001], np.uint32).view(np.float32)
    assert np.isnan(bf16_to_float(float_to_bf16(signalling))).all()
