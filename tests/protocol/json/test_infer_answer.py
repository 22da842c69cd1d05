"""Answers as JSON and binary, in the form that the request asked for."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import Failed, InvalidRequest
from naiad.core.message import InferRequest, InferResponse, RequestedOutput
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.protocol.json.infer_answer import encode


def answer(*tensors: Tensor, **more: Any) -> InferResponse:
    return InferResponse("m", "3", list(tensors), **more)


FLOATS = Tensor("f", "FP32", np.array([[0.5, -1e-7], [3.0, 16777216.0]], np.float32))
TEXTS = bytes_tensor("t", ["é".encode(), b'"\0'])


def test_json_is_flat_and_row_major() -> None:
    encoded = encode(InferRequest("m", id="i"), answer(FLOATS, TEXTS, parameters={"truncated": True}), False)
    assert encoded.tail == ()
    assert json.loads(encoded.header) == {
        "id": "i",
        "model_name": "m",
        "model_version": "3",
        "parameters": {"truncated": True},
        "outputs": [
            {"name": "f", "datatype": "FP32", "shape": [2, 2], "data": [0.5, -1e-7, 3.0, 16777216.0]},
            {"name": "t", "datatype": "BYTES", "shape": [2], "data": ["é", '"\0']},
        ],
    }


def test_no_id_no_key() -> None:
    assert "id" not in json.loads(encode(InferRequest("m"), answer(), False).header)


def test_float32_keeps_its_value() -> None:
    data = np.random.default_rng(1).standard_normal(500).astype(np.float32)
    printed = json.loads(encode(InferRequest("m"), answer(Tensor("f", "FP32", data)), False).header)
    assert np.array_equal(np.array(printed["outputs"][0]["data"], np.float32), data)


def test_binary_by_default_when_no_output_is_listed() -> None:
    encoded = encode(InferRequest("m"), answer(FLOATS), True)
    assert encoded.tail == (FLOATS.data.tobytes(),)
    assert json.loads(encoded.header)["outputs"][0]["parameters"] == {"binary_data_size": 16}


def test_a_listed_output_is_json_even_if_the_default_is_binary() -> None:
    request = InferRequest("m", outputs=(RequestedOutput("f"), RequestedOutput("t", binary=True)))
    encoded = encode(request, answer(FLOATS, TEXTS), True)
    listed, as_bytes = json.loads(encoded.header)["outputs"]
    assert listed["data"][0] == 0.5
    assert as_bytes["parameters"] == {"binary_data_size": len(encoded.tail[0])}


def test_an_empty_binary_output_has_no_tail() -> None:
    encoded = encode(InferRequest("m"), answer(Tensor("f", "FP32", np.zeros((0, 2), np.float32))), True)
    assert encoded.tail == ()
    assert json.loads(encoded.header)["outputs"][0]["parameters"] == {"binary_data_size": 0}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_json_cannot_carry_is_an_error_that_says_what_to_do(value: float) -> None:
    with pytest.raises(Failed, match=r"output 'f' holds NaN or infinity.*binary"):
        encode(InferRequest("m"), answer(Tensor("f", "FP32", np.array([value], np.float32))), False)


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(Failed, match="output 't' holds bytes that are not UTF-8"):
        encode(InferRequest("m"), answer(bytes_tensor("t", [b"\xff"])), False)


def test_half_precision_is_binary_only() -> None:
    with pytest.raises(InvalidRequest, match="sending FP16 data via JSON is not supported"):
        encode(InferRequest("m"), answer(Tensor("h", "FP16", np.zeros(1, np.float16))), False)
