"""InferResponse → ModelInferResponse and ModelStreamInferResponse, as bytes. The way in is `infer_request.py`.

A message is its fields one after the other, so what repeats with every answer is kept as bytes and the tensors' own are
written behind it: protobuf never copies them. Tensors always go into raw_output_contents, as in Triton.
"""

from __future__ import annotations

from collections.abc import Mapping

from naiad.core.message import InferResponse, Parameter
from naiad.core.tensor import Tensor
from naiad.proto.pool import message_class
from naiad.protocol import binary

_ID = b"\x1a"
_OUTPUT = b"\x2a"
_RAW_CONTENTS = b"\x32"
_STREAM_RESPONSE = b"\x12"
"""Number of the field << 3 | 2, which is protobuf's way to begin a field of some length."""

_REMEMBERED = 4096
"""Openings and heads kept, each; past it they are only built anew."""

_openings: dict[tuple[str, str], bytes] = {}
_heads: dict[tuple[str, str, tuple[int, ...]], bytes] = {}


def encode(response: InferResponse) -> bytes:
    """Return a ModelInferResponse."""
    return b"".join(_pieces(response, response.parameters))


def encode_stream(response: InferResponse, *, is_final: bool) -> bytes:
    """Return a ModelStreamInferResponse around the response."""
    pieces = _pieces(response, {**response.parameters, "triton_final_response": is_final})
    size = sum(len(piece) for piece in pieces)
    return b"".join((_STREAM_RESPONSE, _varint(size), *pieces))


def encode_stream_error(message: str, request_id: str, model_name: str = "", *, is_final: bool = False) -> bytes:
    """Return the ModelStreamInferResponse that tells of one request's failure.

    model_name: of the model that failed; empty when the request did not get as far, and then there is no final flag.
    """
    made = message_class("ModelStreamInferResponse")(error_message=message)
    made.infer_response.id = request_id
    if model_name:
        made.infer_response.model_name = model_name
        made.infer_response.parameters["triton_final_response"].bool_param = is_final
    serialized: bytes = made.SerializeToString()
    return serialized


def _pieces(response: InferResponse, parameters: Mapping[str, Parameter]) -> list[bytes | memoryview]:
    opening = _openings.get((response.model_name, response.model_version))
    pieces: list[bytes | memoryview] = [_opening(response) if opening is None else opening]
    if response.id:
        identity = response.id.encode()
        pieces += (_ID, _varint(len(identity)), identity)
    if parameters:
        pieces.append(_parameters(parameters))
    stored = response.stored
    contents: list[bytes | memoryview] = []
    for tensor in response.outputs:
        head = _heads.get((tensor.name, tensor.datatype, tensor.data.shape))
        pieces.append(_head(tensor) if head is None else head)
        raw = b"" if stored and tensor.name in stored else binary.view(tensor)
        size = len(raw)
        contents += (_RAW_CONTENTS, _SHORT[size] if size < len(_SHORT) else _varint(size), raw)
    return pieces + contents


_SHORT = tuple(bytes((size,)) for size in range(0x80))
"""Lengths that take one byte."""


def _varint(value: int) -> bytes:
    """A number in protobuf's variable length, seven bits a byte."""
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def _opening(response: InferResponse) -> bytes:
    """Make name and version of the model, and remember it."""
    key = (response.model_name, response.model_version)
    message = message_class("ModelInferResponse")(model_name=key[0], model_version=key[1])
    opening: bytes = message.SerializeToString()
    if len(_openings) < _REMEMBERED:
        _openings[key] = opening
    return opening


def _head(tensor: Tensor) -> bytes:
    """Make name, datatype and shape, as one of the repeated `outputs`, and remember it."""
    key = (tensor.name, tensor.datatype, tensor.data.shape)
    output = message_class("ModelInferResponse.InferOutputTensor")(name=key[0], datatype=key[1], shape=key[2])
    raw: bytes = output.SerializeToString()
    head = _OUTPUT + _varint(len(raw)) + raw
    if len(_heads) < _REMEMBERED:
        _heads[key] = head
    return head


def _parameters(parameters: Mapping[str, Parameter]) -> bytes:
    message = message_class("ModelInferResponse")()
    for key, value in parameters.items():
        slot = message.parameters[key]
        if isinstance(value, bool):
            slot.bool_param = value
        elif isinstance(value, int):
            slot.int64_param = value
        elif isinstance(value, float):
            slot.double_param = value
        else:
            slot.string_param = value
    serialized: bytes = message.SerializeToString()
    return serialized
