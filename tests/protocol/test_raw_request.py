"""The raw binary request: shapes deduced from the bytes."""

from __future__ import annotations

import numpy as np
import pytest

from naiad.core.errors import InvalidRequest
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.protocol.limits import Limits
from naiad.protocol.raw_request import decode_raw


def config(*inputs: TensorConfig, batch: int = 0) -> ModelConfig:
    return ModelConfig("m", max_batch_size=batch, inputs=inputs)


def test_one_variable_dimension_is_deduced() -> None:
    raw = np.arange(6, dtype=np.float32).tobytes()
    request = decode_raw(config(TensorConfig("x", "FP32", (-1, 2)), batch=4), "", raw, Limits())
    assert request.inputs["x"].data.tolist() == [[[0, 1], [2, 3], [4, 5]]]


def test_bytes_are_one_element_without_length() -> None:
    request = decode_raw(config(TensorConfig("x", "BYTES", (1,))), "", b"hello", Limits())
    assert request.inputs["x"].data.tolist() == [b"hello"]
    request = decode_raw(config(TensorConfig("x", "BYTES", (1, 1)), batch=8), "", b"", Limits())
    assert request.inputs["x"].data.tolist() == [[[b""]]]


@pytest.mark.parametrize(
    ("inputs", "body", "message"),
    [
        ((), b"", "must only have 1 input"),
        (
            (TensorConfig("a", "FP32", (1,)), TensorConfig("b", "FP32", (1,))),
            b"",
            "only have 1 input .found 1. to be deduced but got 2 inputs",
        ),
        ((TensorConfig("a", "FP32", (-1, -1)),), b"", "more than one variable-sized"),
        ((TensorConfig("a", "FP32", (-1, 2)),), b"abc", "for input 'raw_input' for model 'm'. Expected 0, got 3"),
        ((TensorConfig("a", "FP32", (2,)),), b"abc", "Expected 8, got 3"),
        (
            (TensorConfig("a", "BYTES", (2,)),),
            b"abc",
            "For BYTE datatype raw input 'a', the model must have input shape",
        ),
        (
            (TensorConfig("a", "BYTES", (-1,)),),
            b"abc",
            "For BYTE datatype raw input 'a', the model must have input sha",
        ),
        ((TensorConfig("a", "BYTES", (1, -1)),), b"abc", "the model must have input shape .1."),
        ((TensorConfig("a", "BYTES", (-1, -1)),), b"abc", "more than one variable-sized"),
        ((TensorConfig("a", "FP32", (-1, 0)),), b"abc", "Expected 0, got 3"),
    ],
)
def test_refusals(inputs: tuple[TensorConfig, ...], body: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        decode_raw(config(*inputs), "", body, Limits())
