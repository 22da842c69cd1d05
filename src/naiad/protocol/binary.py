"""Tensors as bytes: the binary tensor data extension of v2, shared by HTTP and gRPC.

Fixed-size elements are little-endian and row-major. BYTES elements are a little-endian uint32 length and the bytes
themselves, one after the other (KServe V2, "Binary Tensor Data Extension").
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import prod

import numpy as np

from naiad.core.datatypes import BY_NAME, Datatype
from naiad.core.errors import InvalidRequest
from naiad.core.tensor import Array, Tensor

_LENGTH = struct.Struct("<I")


def decode(name: str, datatype: str, shape: tuple[int, ...], raw: bytes | memoryview) -> Tensor:
    """Make a tensor over `raw` without copying (BYTES elements are copied out).

    Raises InvalidRequest when the bytes do not fill the shape exactly.
    """
    if datatype == "BYTES":
        return Tensor(name, datatype, decode_bytes(name, raw, prod(shape)).reshape(shape))
    row = BY_NAME[datatype]
    expected = prod(shape) * row.size_bytes
    if len(raw) != expected:
        raise _wrong_bytes(name, expected, len(raw))
    return Tensor(name, datatype, np.ndarray(shape, row.numpy, raw))


def wrong_size(name: str, row: Datatype, expected: int, got: int) -> InvalidRequest:
    """Return the error for so many elements in place of so many."""
    if row.name == "BYTES":
        return InvalidRequest(f"expected {expected} string elements for inference input '{name}', got {got}")
    return _wrong_bytes(name, expected * row.size_bytes, got * row.size_bytes)


def _wrong_bytes(name: str, expected: int, got: int) -> InvalidRequest:
    return InvalidRequest(f"input byte size mismatch for input '{name}'. Expected {expected}, got {got}", tensor=name)


def decode_bytes(name: str, raw: bytes | memoryview, count: int) -> Array:
    """Split length-prefixed elements; returns (count,) object array of `bytes`."""
    if count > len(raw) // 4:  # each element takes at least its length; checked before anything is allocated
        held = _count_elements(name, raw)
        raise InvalidRequest(f"expected {count} string elements for inference input '{name}', got {held}", tensor=name)
    elements: list[bytes] = []
    for element in _split(name, raw):
        elements.append(element)
        if len(elements) > count:
            raise InvalidRequest(f"unexpected number of string elements {len(elements)} for inference input '{name}'")
    if len(elements) != count:
        raise InvalidRequest(
            f"expected {count} string elements for inference input '{name}', got {len(elements)}", tensor=name
        )
    data = np.empty(count, dtype=np.object_)
    data[:] = elements
    return data


def _count_elements(name: str, raw: bytes | memoryview) -> int:
    return sum(1 for _ in _split(name, raw))


def _split(name: str, raw: bytes | memoryview) -> Iterator[bytes]:
    view = memoryview(raw)
    at, end = 0, len(view)
    while at < end:
        if at + 4 > end:
            raise InvalidRequest(
                f"incomplete string length indicator for inference input '{name}', expecting 4 bytes, got {end - at}",
                tensor=name,
            )
        (length,) = _LENGTH.unpack_from(view, at)
        at += 4
        if at + length > end:
            raise InvalidRequest(
                f"incomplete string data for inference input '{name}', expecting string of length {length}, "
                f"got {end - at} bytes remaining",
                tensor=name,
            )
        yield bytes(view[at : at + length])
        at += length


def encode(tensor: Tensor) -> bytes:
    """Return the tensor's bytes; the inverse of `decode`."""
    if tensor.datatype == "BYTES":
        return encode_bytes(tensor.data)
    return tensor.data.tobytes()


def encode_bytes(data: Array) -> bytes:
    """Join an object array of `bytes` (or `str`, as UTF-8) with length prefixes, row-major."""
    pieces: list[bytes] = []
    for element in data.ravel().tolist():
        raw = element.encode() if isinstance(element, str) else bytes(element)
        pieces.append(_LENGTH.pack(len(raw)))
        pieces.append(raw)
    return b"".join(pieces)
