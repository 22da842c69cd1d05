"""The generate extension: flat JSON to tensors and back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import Failed, InvalidRequest, MalformedBody, NaiadError
from naiad.core.message import InferRequest, InferResponse, SequenceStep
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.protocol.generate import decode, encode, event
from naiad.protocol.limits import Limits


def read(document: Any, *inputs: TensorConfig, batch: int = 0) -> InferRequest:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return decode(ModelConfig("m", max_batch_size=batch, inputs=inputs), "2", body, Limits())


TEXT = TensorConfig("text", "BYTES", (-1,))


def test_names_of_inputs_become_tensors_and_the_rest_parameters() -> None:
    document = {"id": "7", "text": "hi", "top_k": 3, "parameters": {"stream": False, "priority": 1, "numbers": [1, 2]}}
    request = read(document, TEXT, TensorConfig("numbers", "INT32", (2,)))
    assert (request.id, request.model_name, request.model_version, request.priority) == ("7", "m", "2", 1)
    assert request.inputs["text"].data.tolist() == [b"hi"]
    assert request.inputs["numbers"].data.tolist() == [1, 2]
    assert request.parameters == {"top_k": 3, "stream": False, "priority": 1}


def test_the_protocols_own_parameters_are_also_the_callers() -> None:
    """As in Triton, where generate hands all of them to the model; a wrong type is then not an error."""
    given = {"sequence_id": "s", "sequence_start": True, "sequence_end": 1, "timeout": "soon", "triton_x": 1}
    request = read({"text": "hi", **given}, TEXT)
    assert request.parameters == given
    assert (request.sequence, request.timeout_us) == (SequenceStep("s", is_first=True), 0)


@pytest.mark.parametrize(
    ("dims", "batch", "count", "shape"),
    [
        ((-1,), 0, 3, (3,)),
        ((-1,), 8, 3, (1, 3)),
        ((1,), 8, 1, (1, 1)),
        ((2, -1), 8, 6, (1, 2, 3)),
        ((-1, 2, -1), 0, 6, (1, 2, 3)),
        ((-1, -1), 0, 5, (1, 5)),
        ((), 0, 1, ()),
    ],
)
def test_the_innermost_variable_dimension_takes_what_is_left(
    dims: tuple[int, ...], batch: int, count: int, shape: tuple[int, ...]
) -> None:
    request = read({"x": list(range(count))}, TensorConfig("x", "FP32", dims), batch=batch)
    assert request.inputs["x"].shape == shape


@pytest.mark.parametrize(
    ("document", "error", "message"),
    [
        ({"x": [1, 2, 3]}, InvalidRequest, "The schema can not convert input 'x' to tensor with proper shape"),
        ({"x": [1, "a"]}, MalformedBody, "non-number as double"),
        ({"x": {"a": 1}}, InvalidRequest, "can not convert input 'x'"),
        ({"y": [1, 2]}, InvalidRequest, "parameter 'y' has invalid type"),
        ({"parameters": {"y": None}}, InvalidRequest, "^Converting keyword: 'parameters': parameter 'y' has invalid"),
        (
            {"x": [1, 2], "parameters": {"x": [1, 2]}},
            InvalidRequest,
            r"parameters': \[request id: <id_unknown>\] input 'x' already",
        ),
        ({"parameters": 3}, MalformedBody, "Expected JSON object for keyword: 'parameters'"),
        ({"id": 3}, MalformedBody, "Unable to parse 'id'"),
        (b"[1]", MalformedBody, "attempt to get members for non-object"),
        (b"{", MalformedBody, "failed to parse the request JSON buffer"),
    ],
)
def test_refusals(document: Any, error: type[NaiadError], message: str) -> None:
    with pytest.raises(error, match=message):
        read(document, TensorConfig("x", "FP32", (2,)))


def test_answers_are_flat_and_single_elements_are_plain() -> None:
    tensors = [
        bytes_tensor("label", ["é".encode()]),
        Tensor("score", "FP32", np.array([[0.5]], np.float32)),
        Tensor("many", "INT64", np.array([[1, 2], [3, 4]])),
        Tensor("none", "INT64", np.zeros(0, np.int64)),
    ]
    encoded = encode(InferResponse("m", "1", tensors, id="7", parameters={"truncated": True}))
    assert json.loads(encoded) == {
        "id": "7", "model_name": "m", "model_version": "1", "truncated": True,
        "label": "é", "score": 0.5, "many": [1, 2, 3, 4], "none": [],
    }  # fmt: skip


def test_what_json_cannot_carry() -> None:
    with pytest.raises(Failed, match="NaN"):
        encode(InferResponse("m", "1", [Tensor("x", "FP32", np.array([np.nan], np.float32))]))


def test_events() -> None:
    assert event(b'{"a":1}') == b'data: {"a":1}\n\n'
