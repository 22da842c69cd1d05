"""A v2 `/infer` answer: InferResponse → JSON and binary tail. The way in is `infer_json.py`."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from naiad.core.errors import Failed, InvalidRequest
from naiad.core.message import InferRequest, InferResponse
from naiad.core.tensor import Tensor
from naiad.protocol import binary

_NUMPY = orjson.OPT_SERIALIZE_NUMPY


@dataclass(frozen=True, slots=True)
class EncodedAnswer:
    """What goes into the HTTP body."""

    header: bytes
    """The JSON part."""
    tail: tuple[bytes, ...] = ()
    """Binary tensors behind it, in the order of the outputs; empty when all data is in the JSON."""


def encode(request: InferRequest, response: InferResponse, binary_default: bool) -> EncodedAnswer:
    """Encode an answer in the form that the request asked for.

    An output that is listed without `binary_data` is JSON even where the default is binary (Triton's
    `CheckBinaryOutputData`). Raises Failed / InvalidRequest when a tensor cannot be put into JSON.
    """
    pieces = [
        b'{"model_name":',
        _text(response.model_name),
        b',"model_version":"',
        response.model_version.encode(),
        b'"',
    ]
    if request.id:
        pieces[0:1] = [b'{"id":', _text(request.id), b',"model_name":']
    if response.parameters:
        pieces += [b',"parameters":', orjson.dumps(response.parameters)]
    pieces.append(b',"outputs":[')
    as_binary = {output.name: output.binary for output in request.outputs}
    tail: list[bytes] = []
    separator = b""
    for tensor in response.outputs:
        pieces += [separator, _head(tensor)]
        separator = b","
        if as_binary.get(tensor.name, binary_default and not as_binary):
            raw = binary.encode(tensor)
            tail.append(raw)
            pieces.append(b',"parameters":{"binary_data_size":%d}}' % len(raw))
        else:
            pieces += [b',"data":', _data(tensor), b"}"]
    pieces.append(b"]}")
    return EncodedAnswer(b"".join(pieces), tuple(raw for raw in tail if raw))


_TEXTS: dict[str, bytes] = {}
"""Names as JSON; they repeat with every answer, so they are quoted once (bounded below)."""


def _text(value: str) -> bytes:
    quoted = _TEXTS.get(value)
    if quoted is None:
        quoted = orjson.dumps(value)
        if len(_TEXTS) < 4096 and len(value) < 256:
            _TEXTS[value] = quoted
    return quoted


def _head(tensor: Tensor) -> bytes:
    shape = ",".join(map(str, tensor.data.shape))
    return b'{"name":%b,"datatype":"%b","shape":[%b]' % (_text(tensor.name), tensor.datatype.encode(), shape.encode())


def _data(tensor: Tensor) -> bytes:
    """Flat, row-major, as Triton prints it."""
    if tensor.datatype == "BYTES":
        return _strings(tensor)
    if tensor.datatype in ("FP16", "BF16"):
        raise InvalidRequest(
            f"sending {tensor.datatype} data via JSON is not supported. Please use the binary data format for output"
        )
    raw = orjson.dumps(tensor.data.reshape(-1), option=_NUMPY)
    if b"null" in raw:
        raise Failed(
            f"output '{tensor.name}' holds NaN or infinity, which JSON cannot carry. Ask for it as binary data.",
            tensor=tensor.name,
        )
    return raw


def _strings(tensor: Tensor) -> bytes:
    try:
        return orjson.dumps([bytes(value).decode() for value in tensor.data.ravel().tolist()])
    except UnicodeDecodeError as error:
        raise Failed(
            f"output '{tensor.name}' holds bytes that are not UTF-8, which JSON cannot carry. "
            "Ask for it as binary data.",
            tensor=tensor.name,
        ) from error
