"""Answers as bytes: the same comes back, and nothing else is ever taken for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from naiad.core.datatypes import TABLE
from naiad.core.errors import Failed
from naiad.core.message import InferResponse
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.serving.caching.shared.form import read_answer, seal, write_answer

KEY = b"naiad:1:m:1:0123"
SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
FIXED = [row for row in TABLE if row.name != "BYTES"]


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    name, shape = draw(st.text(max_size=3)), draw(SHAPES)
    if draw(st.integers(0, 3)) == 0:
        count = int(np.prod(shape, dtype=int))
        return bytes_tensor(name, draw(st.lists(st.binary(max_size=3), min_size=count, max_size=count)), shape)
    row = draw(st.sampled_from(FIXED))
    data = draw(arrays.arrays(row.numpy, shape))
    return Tensor(name, row.name, np.asfortranarray(data) if draw(st.booleans()) else data)


PARAMETERS = st.dictionaries(
    st.text(max_size=3), st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text()
)
RESPONSES = st.builds(
    InferResponse,
    st.text(max_size=5),
    st.just("1"),
    st.lists(tensors(), max_size=3),
    st.just("id"),
    PARAMETERS,
    st.integers(0, 2**40),
)


def facts(model: str, outputs: Any, parameters: Any, tokens: int) -> Any:
    """Everything that must come back, to the bit."""
    return (
        model,
        [
            (one.name, one.datatype, one.shape, one.data.tolist() if one.datatype == "BYTES" else one.data.tobytes())
            for one in outputs
        ],
        {name: repr(value) for name, value in parameters.items()},
        tokens,
    )


@given(RESPONSES)
def test_the_same_comes_back(response: InferResponse) -> None:
    answer = read_answer(KEY, seal(KEY, write_answer(response)))
    assert answer is not None
    back = facts(answer.model_name, answer.outputs, answer.parameters, answer.tokens)
    assert back == facts(response.model_name, response.outputs, response.parameters, response.tokens)
    assert not any(tensor.data.flags.writeable for tensor in answer.outputs)


@given(RESPONSES, st.data())
def test_nothing_that_was_changed_is_an_answer(response: InferResponse, data: st.DataObject) -> None:
    sealed = seal(KEY, write_answer(response))
    at = data.draw(st.integers(0, len(sealed) - 1))
    changed = bytearray(sealed)
    changed[at] ^= data.draw(st.integers(1, 255))
    assert read_answer(KEY, bytes(changed)) is None
    assert read_answer(KEY, sealed[:at]) is None
    assert read_answer(KEY, sealed + b"\0") is None


@given(RESPONSES, st.binary(max_size=40))
def test_nothing_that_was_meant_for_another_key_is_an_answer(response: InferResponse, other: bytes) -> None:
    sealed = seal(KEY, write_answer(response))
    assert (read_answer(other, sealed) is None) == (other != KEY)


@given(st.binary(max_size=200))
def test_what_is_no_answer_does_no_harm(raw: bytes) -> None:
    assert read_answer(KEY, raw) is None
    assert read_answer(KEY, seal(KEY, raw)) is None, "well sealed by somebody who writes another form"


def test_outputs_that_are_not_of_their_datatype_are_not_written() -> None:
    with pytest.raises(Failed, match="declared as INT8"):
        write_answer(InferResponse("m", "1", [Tensor("y", "INT8", np.zeros(1, np.float32))]))
