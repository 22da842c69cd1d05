"""A v2 `/infer` answer: InferResponse → JSON and binary tail. The way in is `infer_request.py`."""

from __future__ import annotations

import sys
from typing import NamedTuple

import orjson

from naiad.core.message import InferRequest, InferResponse
from naiad.core.tensor import Tensor
from naiad.protocol import binary
from naiad.protocol.json import tensor as tensor_json


class EncodedAnswer(NamedTuple):
    """What goes into the HTTP body; a tuple, because a frozen dataclass would cost every answer 0.5 µs."""

    header: bytes
    """The JSON part."""
    tail: tuple[bytes | memoryview, ...] = ()
    """Binary tensors behind it, in the order of the outputs; empty when all data is in the JSON."""


class TakesLong(Exception):
    """Some output has more elements than are wanted now that must be written one by one: JSON, or strings."""


def encode(
    request: InferRequest, response: InferResponse, binary_default: bool, most_elements: int = sys.maxsize
) -> EncodedAnswer:
    """Encode an answer in the form that the request asked for.

    An output that is listed without `binary_data` is JSON even where the default is binary (Triton's
    `CheckBinaryOutputData`); one that has been stored is only named. most_elements: of an output that is written one by
    one; KNOWN_ELEMENTS at least. Raises TakesLong for more, Failed / InvalidRequest when a tensor cannot be put into
    JSON.
    """
    pieces = [_opening(request.id, response)]
    as_binary = {output.name: output.binary for output in request.outputs} if request.outputs else None
    stored = response.stored
    tail: list[bytes | memoryview] = []
    separator = b""
    for tensor in response.outputs:
        is_binary = binary_default if as_binary is None else as_binary.get(tensor.name, False)
        head = _heads.get((tensor.name, tensor.datatype, tensor.data.shape))
        if head is None:
            if (
                tensor.data.size > most_elements
                and tensor.name not in stored
                and (not is_binary or tensor.datatype == "BYTES")
            ):
                raise TakesLong
            head = _head(tensor)
        pieces += (separator, head)
        separator = b","
        if is_binary:
            raw = binary.view(tensor)
            tail.append(raw)
            pieces.append(b',"parameters":{"binary_data_size":%d}}' % len(raw))
        elif stored and tensor.name in stored:
            pieces.append(b"}")
        else:
            pieces += (b',"data":', tensor_json.encode(tensor), b"}")
    pieces.append(b"]}")
    return EncodedAnswer(b"".join(pieces), tuple(filter(None, tail)) if tail else ())


_REMEMBERED = 4096
"""Openings and heads kept, each; past it they are only built anew."""

KNOWN_ELEMENTS = 4096
"""Of tensors whose heads are kept: whose head is known is not large, and need not be asked."""

_openings: dict[tuple[str, str], bytes] = {}
_heads: dict[tuple[str, str, tuple[int, ...]], bytes] = {}
"""Parts that repeat with every answer. Plain dicts: lru_cache would cost as much as it saves."""


def _opening(request_id: str, response: InferResponse) -> bytes:
    """Everything before the first output."""
    key = (response.model_name, response.model_version)
    opening = _openings.get(key)
    if opening is None:
        opening = b'"model_name":%b,"model_version":%b' % (orjson.dumps(key[0]), orjson.dumps(key[1]))
        if len(_openings) < _REMEMBERED:
            _openings[key] = opening
    identity = b'"id":%b,' % orjson.dumps(request_id) if request_id else b""
    parameters = b',"parameters":' + orjson.dumps(response.parameters) if response.parameters else b""
    return b'{%b%b%b,"outputs":[' % (identity, opening, parameters)


def _head(tensor: Tensor) -> bytes:
    """Make what says name, datatype and shape, the object left open, and remember it."""
    key = (tensor.name, tensor.datatype, tensor.data.shape)
    shape = ",".join(map(str, key[2])).encode()
    head = b'{"name":%b,"datatype":"%b","shape":[%b]' % (orjson.dumps(key[0]), key[1].encode(), shape)
    if len(_heads) < _REMEMBERED and tensor.data.size <= KNOWN_ELEMENTS:
        _heads[key] = head
    return head
