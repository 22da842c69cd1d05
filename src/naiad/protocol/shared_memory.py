"""How a request says that a tensor lies in shared memory; over both doors, and how a region is registered.

What a region is and where it lies: `naiad.serving.shared_memory`. The words are Triton's.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple

from naiad.core.client_memory import ClientMemory
from naiad.core.errors import InvalidRequest, MalformedBody
from naiad.protocol.json.body import read_unsigned

REGION = "shared_memory_region"
_OFFSET = "shared_memory_offset"
_BYTE_SIZE = "shared_memory_byte_size"
_HANDLE_BYTES = 64
"""Of a cudaIpcMemHandle_t."""
_GRPC = ((REGION, "string_param"), (_OFFSET, "int64_param"), (_BYTE_SIZE, "int64_param"))


class MemoryRange(NamedTuple):
    """A part of a region."""

    region: str
    offset: int
    byte_size: int


def range_of_json(parameters: Mapping[str, Any], memory: ClientMemory) -> MemoryRange:
    """Read the parameters of a tensor that has `shared_memory_region`. Raises MalformedBody, Unsupported."""
    memory.check_allowed()
    region = parameters[REGION]
    if type(region) is not str:
        raise MalformedBody(f"Unable to parse '{REGION}': attempt to access JSON non-string as string")
    offset = read_unsigned(_OFFSET, parameters.get(_OFFSET, 0))
    return MemoryRange(region, offset, read_unsigned(_BYTE_SIZE, parameters.get(_BYTE_SIZE, 0)))


def range_of_grpc(name: str, parameters: Mapping[str, Any], memory: ClientMemory) -> MemoryRange | None:
    """Read the parameters of a tensor; None if they do not speak of shared memory.

    Raises InvalidRequest, and Unsupported, first of all, for a region where there can be none.
    """
    if REGION not in parameters:
        for key, _ in _GRPC:
            if key in parameters:
                raise InvalidRequest(
                    f"'{key}' can not be specified without '{REGION}' parameter for tensor '{name}'", tensor=name
                )
        return None
    memory.check_allowed()
    found: dict[str, Any] = {}
    for key, kind in _GRPC:
        if key in parameters:
            if parameters[key].WhichOneof("parameter_choice") != kind:
                raise InvalidRequest(
                    f"invalid value type for '{key}' parameter for tensor '{name}', expected {kind}.", tensor=name
                )
            found[key] = getattr(parameters[key], kind)
    if _BYTE_SIZE not in found:
        raise InvalidRequest(
            f"'{_BYTE_SIZE}' must be specified along with '{REGION}' parameter for tensor '{name}'", tensor=name
        )
    # Triton's sizes are unsigned: a negative one is a very large one, and refused as such.
    return MemoryRange(found[REGION], found.get(_OFFSET, 0) % 2**64, found[_BYTE_SIZE] % 2**64)


def read_registration(document: Mapping[str, Any]) -> tuple[str, int, int]:
    """Read the body of a register call: key, offset and byte size. Raises InvalidRequest, MalformedBody."""
    key = _text(_given(document, "key"))
    offset = _unsigned(document.get("offset", 0))
    return key, offset, _unsigned(_given(document, "byte_size"))


def check_cuda_registration(document: Mapping[str, Any]) -> None:
    """Check the body of a register call for a CUDA region. Raises InvalidRequest, MalformedBody."""
    handle = _given(document, "raw_handle")
    text = _text(_member(handle if type(handle) is dict else {}, "b64"))
    for field in ("byte_size", "device_id"):
        _unsigned(_member(document, field))
    try:
        size = len(binascii.a2b_base64(text))
    except ValueError:
        size = 0
    if size != _HANDLE_BYTES:
        raise InvalidRequest("'raw_handle' must be a valid base64 encoded cudaIpcMemHandle_t")


def _given(document: Mapping[str, Any], field: str) -> Any:
    if field not in document:
        raise InvalidRequest(f"Shared memory register request has no '{field}' field")
    return document[field]


def _member(document: Mapping[str, Any], field: str) -> Any:
    if field not in document:
        raise MalformedBody(f"attempt to access non-existing object member '{field}'")
    return document[field]


def _text(value: Any) -> str:
    if type(value) is not str:
        raise MalformedBody("attempt to access JSON non-string as string")
    return value


def _unsigned(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise MalformedBody("attempt to access JSON non-unsigned-integer as unsigned-integer")
    return value
