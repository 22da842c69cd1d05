"""Tensors as bytes and back, for every datatype."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.datatypes import TABLE
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.protocol import binary
from naiad.serving.validation import RequestCheck


@pytest.mark.parametrize("name", [row.name for row in TABLE if row.name != "BYTES"])
def test_fixed_size_elements(name: str) -> None:
    row = next(row for row in TABLE if row.name == name)
    data = np.array([[0, 1, 1], [1, 0, 1]]).astype(row.numpy)
    raw = binary.encode(Tensor("x", name, data))
    assert len(raw) == 6 * row.size_bytes
    assert binary.decode("x", name, (2, 3), raw).data.tolist() == data.tolist()


def test_strings_have_little_endian_lengths_in_front() -> None:
    tensor = bytes_tensor("x", [b"ab", b"", "é".encode(), b"\0"], (2, 2))
    raw = binary.encode(tensor)
    assert raw == b"\2\0\0\0ab\0\0\0\0\2\0\0\0\xc3\xa9\1\0\0\0\0"
    assert binary.decode("x", "BYTES", (2, 2), raw).data.tolist() == tensor.data.tolist()


def test_a_slice_is_written_as_it_looks() -> None:
    data = np.arange(12, dtype=np.int32).reshape(3, 4)[:, 1:3]
    raw = binary.encode(Tensor("x", "INT32", data))
    assert binary.decode("x", "INT32", (3, 2), raw).data.tolist() == data.tolist()


def test_counts_that_do_not_fit() -> None:
    raw = binary.encode(bytes_tensor("x", [b"a", b"b"]))
    with pytest.raises(InvalidRequest, match="expected 3 string elements for inference input 'x', got 2"):
        binary.decode("x", "BYTES", (3,), raw)
    with pytest.raises(InvalidRequest, match="unexpected number of string elements 2 for inference input 'x'"):
        binary.decode("x", "BYTES", (1,), raw)


def test_a_scalar_has_exactly_one_element() -> None:
    assert binary.decode("x", "INT32", (), b"\7\0\0\0").data.tolist() == 7
    assert binary.decode("x", "BYTES", (), b"\2\0\0\0ab").data.tolist() == b"ab"
    for raw in (b"", b"\7\0\0", bytes(8)):
        with pytest.raises(InvalidRequest, match=f"Expected 4, got {len(raw)}"):
            binary.decode("x", "INT32", (), raw)
    with pytest.raises(InvalidRequest, match="expected 1 string elements for inference input 'x', got 0"):
        binary.decode("x", "BYTES", (), b"")


@pytest.mark.parametrize("most_rows", [0, 8])
def test_what_is_wrong_with_an_input_without_a_shape_is_the_shape(most_rows: int) -> None:
    """Whatever its bytes are: no model takes one, as a configuration without dims is an error."""
    config = ModelConfig("m", max_batch_size=most_rows, inputs=(TensorConfig("x", "INT32", (1,)),))
    request = InferRequest("m")
    request.inputs["x"] = binary.decode("x", "INT32", (), bytes(8), request)
    with pytest.raises(InvalidRequest, match="shape"):
        RequestCheck(config).rows(request)


def test_an_absurd_shape_allocates_nothing() -> None:
    with pytest.raises(InvalidRequest, match="string elements"):
        binary.decode("x", "BYTES", (2**60,), b"\0\0\0\0")
    with pytest.raises(InvalidRequest, match="Expected"):
        binary.decode("x", "FP64", (2**60,), b"")


@given(st.lists(st.binary(max_size=20), max_size=20))
def test_any_strings_come_back(values: list[bytes]) -> None:
    raw = binary.encode(bytes_tensor("x", values))
    assert binary.decode("x", "BYTES", (len(values),), raw).data.tolist() == values


@given(st.binary(max_size=64), st.integers(0, 8))
def test_garbage_gives_one_of_our_errors(raw: bytes, count: int) -> None:
    with suppress(InvalidRequest):  # anything else would be a crash
        assert len(binary.decode("x", "BYTES", (count,), raw).data) == count


def test_strings_without_a_shape_are_strings_still() -> None:
    """The model's check refuses them; until then they can be looked at and sent like any others."""
    tensor = binary.decode("x", "BYTES", (), b"xx", InferRequest("m"))
    assert (tensor.shape, tensor.data.item()) == ((), b"")
    assert binary.encode(tensor) == bytes(4)
