"""The functions that model code calls on requests, responses and configurations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

import numpy as np

from ..datatypes import BY_NUMBER, TABLE, name_of
from ..strings import decode_strings, encode_strings
from .request import InferenceRequest
from .response import InferenceResponse
from .tensor import Tensor

TRITON_STRING_TO_NUMPY = {row.config_name: row.numpy.type for row in TABLE if row.name != "BF16"}
TRITON_STRING_TO_NUMPY["TYPE_BOOL"] = bool

_model_dir: list[str] = []


def get_input_tensor_by_name(inference_request: InferenceRequest, name: str) -> Tensor | None:
    """Return an input of a request; None where it has none of that name."""
    for tensor in inference_request.inputs():
        if tensor._name == name:
            return tensor
    return None


def get_output_tensor_by_name(inference_response: InferenceResponse, name: str) -> Tensor | None:
    """Return an output of a response; None where it has none of that name."""
    for tensor in inference_response.output_tensors():
        if tensor._name == name:
            return tensor
    return None


def get_input_config_by_name(model_config: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Return how an input is declared; None where it is not."""
    return _by_name(model_config.get("input", ()), name)


def get_output_config_by_name(model_config: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Return how an output is declared; None where it is not."""
    return _by_name(model_config.get("output", ()), name)


def using_decoupled_model_transaction_policy(model_config: Mapping[str, Any]) -> bool:
    """Whether a model is decoupled."""
    return bool(model_config.get("model_transaction_policy", {}).get("decoupled", False))


def triton_to_numpy_type(data_type: int) -> Any:
    """Return the numpy type of a number of Triton's enum; None for one that numpy does not have."""
    row = BY_NUMBER.get(data_type)
    return None if row is None or row.name == "BF16" else row.numpy.type


def numpy_to_triton_type(data_type: Any) -> Optional[int]:  # noqa: UP045 — Python 3.9
    """Return the number in Triton's enum of a numpy type; None for one that Triton does not have."""
    name = name_of(np.dtype(data_type))
    return None if name is None else next(row.number for row in TABLE if row.name == name)


def triton_string_to_numpy(triton_type_string: str) -> Any:
    """Return the numpy type of `TYPE_FP32` and its like. Raises KeyError."""
    return TRITON_STRING_TO_NUMPY[triton_type_string]


def serialize_byte_tensor(input_tensor: Any) -> Any:
    """Return the bytes of an array of strings: a uint32 length before each; () of an empty one, None of others."""
    if input_tensor.size == 0:
        return ()
    if input_tensor.dtype == np.object_ or input_tensor.dtype.type == np.bytes_:
        return encode_strings(input_tensor)
    return None


def deserialize_bytes_tensor(encoded_tensor: Any) -> Any:
    """Return the strings that `serialize_byte_tensor` wrote, as a flat array."""
    view, at, count = memoryview(encoded_tensor).cast("B"), 0, 0
    while at < len(view):
        at += 4 + int.from_bytes(view[at : at + 4], "little")
        count += 1
    return decode_strings(view, count)


def get_model_dir() -> str:
    """Return the folder of the model's version, in which model.py lies."""
    return _model_dir[0] if _model_dir else ""


def set_model_dir(folder: str) -> None:
    """Note the folder; by the worker, before the model is imported."""
    _model_dir[:] = [folder]


def _by_name(tensors: Any, name: str) -> dict[str, Any] | None:
    return next((tensor for tensor in tensors if tensor["name"] == name), None)
