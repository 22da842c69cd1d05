"""Shapes that no tensor can have are refused before numpy is asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.datatypes import TABLE, Datatype
from naiad.core.errors import InvalidRequest, MalformedBody
from naiad.protocol.shapes import count_elements


@pytest.mark.parametrize(
    ("datatype", "shape", "words"),
    [
        ("FP8", [1], "invalid datatype 'FP8' for input 'x'; known: BOOL"),
        ("FP32", [2, -1], r"shape \[2,-1\] contains one or more invalid dimensions"),
        ("FP32", [2**62, 4], "exceed maximum size of 9223372036854775807"),
        ("FP32", [0, 2**63], "exceed maximum size"),
        ("FP32", [4, 2**60 + 2], "^byte size overflow for input 'x'"),
        ("FP32", [0, 2**62], "byte size overflow for input 'x'"),
        ("BYTES", [2**60], "byte size overflow for input 'x'"),
        ("FP32", [1] * 65, "65 dimensions; at most 64"),
    ],
)
def test_refused(datatype: str, shape: list[int], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        count_elements("x", datatype, shape)


@pytest.mark.parametrize("dim", [-5, True, 1.0, "1", None])
def test_what_json_may_say(dim: object) -> None:
    """Triton reads dimensions in JSON as unsigned numbers, so that a negative one is none at all."""
    shape: list[object] = [2, dim]
    with pytest.raises(MalformedBody) as caught:
        count_elements("x", "FP32", shape, is_json=True)  # type: ignore[arg-type]
    assert caught.value.message == (
        "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer"
    )


def test_what_is_just_small_enough() -> None:
    assert count_elements("x", "INT8", [2**62, 1]) == 2**62
    assert count_elements("x", "FP64", [2**59]) == 2**59


@given(
    st.sampled_from([row for row in TABLE if row.size_bytes]),
    st.lists(st.sampled_from([0, 1, 2, 2**31, 2**60, 2**62, 2**63]), max_size=66),
)
def test_what_is_not_refused_numpy_can_have(row: Datatype, shape: list[int]) -> None:
    try:
        count = count_elements("x", row.name, shape)
    except InvalidRequest:
        return
    if count < 2:
        assert np.ndarray(shape, row.numpy, bytes(8)).size == count
