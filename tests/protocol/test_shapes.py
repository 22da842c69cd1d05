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
        ("FP32", [0, 2**62], "exceed maximum size"),
        ("FP32", [1] * 65, "65 dimensions; at most 64"),
    ],
)
def test_refused(datatype: str, shape: list[int], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        count_elements("x", datatype, shape)


@pytest.mark.parametrize("dim", [True, 1.0, "1", None])
def test_what_json_may_say(dim: object) -> None:
    shape: list[object] = [dim]
    with pytest.raises(MalformedBody, match="'shape': attempt to access JSON non-unsigned-integer"):
        count_elements("x", "FP32", shape)  # type: ignore[arg-type]


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
