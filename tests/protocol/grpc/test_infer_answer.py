"""InferResponse → bytes that protobuf reads as the message they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from naiad.core.message import InferResponse
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.proto.pool import message_class
from naiad.protocol.grpc.infer_answer import encode, encode_stream, encode_stream_error

LARGE = np.arange(30000, dtype=np.float32).reshape(100, 300)

TENSORS = [
    Tensor("small", "INT32", np.arange(4, dtype=np.int32).reshape(2, 2)),
    Tensor("large", "FP32", LARGE),
    Tensor("other order", "FP32", LARGE.T),
    Tensor("half", "FP16", np.zeros((3000,), np.float16)),
    Tensor("truth", "BOOL", np.ones((5000,), np.bool_)),
    Tensor("scalar", "FP64", np.array(2.5)),
    Tensor("empty", "INT64", np.zeros((0, 7), np.int64)),
    bytes_tensor("text", [b"a", b"\xff\0"]),
]


def plain(message: Any) -> dict[str, Any]:
    return {key: getattr(value, value.WhichOneof("parameter_choice")) for key, value in message.parameters.items()}


def test_every_kind_of_tensor() -> None:
    message = message_class("ModelInferResponse").FromString(encode(InferResponse("m", "1", TENSORS, "identity")))
    assert (message.model_name, message.model_version, message.id) == ("m", "1", "identity")
    assert [(one.name, one.datatype, tuple(one.shape)) for one in message.outputs] == [
        (tensor.name, tensor.datatype, tensor.shape) for tensor in TENSORS
    ]
    assert message.raw_output_contents[1] == LARGE.tobytes()
    assert message.raw_output_contents[2] == LARGE.T.tobytes()
    assert message.raw_output_contents[-1] == b"\1\0\0\0a\2\0\0\0\xff\0"
    assert [len(raw) for raw in message.raw_output_contents[3:7]] == [6000, 5000, 8, 0]
    assert not any(output.HasField("contents") for output in message.outputs)


def test_parameters_and_no_id() -> None:
    parameters = {"flag": True, "count": -3, "share": 0.5, "word": "ö"}
    message = message_class("ModelInferResponse").FromString(encode(InferResponse("m", "", [], "", parameters)))
    assert plain(message) == parameters
    assert {key: value.WhichOneof("parameter_choice") for key, value in message.parameters.items()} == {
        "flag": "bool_param",
        "count": "int64_param",
        "share": "double_param",
        "word": "string_param",
    }
    assert message.id == ""


@pytest.mark.parametrize("is_final", [True, False])
def test_a_stream_s_answer_says_whether_it_is_the_last(is_final: bool) -> None:
    response = InferResponse("m", "1", TENSORS, "identity", {"mine": 1})
    message = message_class("ModelStreamInferResponse").FromString(encode_stream(response, is_final=is_final))
    assert message.error_message == ""
    assert plain(message.infer_response) == {"mine": 1, "triton_final_response": is_final}
    assert message.infer_response.raw_output_contents[1] == LARGE.tobytes()
    assert response.parameters == {"mine": 1}


def test_a_stream_s_error() -> None:
    message = message_class("ModelStreamInferResponse").FromString(encode_stream_error("it broke", "7"))
    assert (message.error_message, message.infer_response.id) == ("it broke", "7")
    assert not message.infer_response.parameters
