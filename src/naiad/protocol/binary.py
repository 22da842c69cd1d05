"""Tensors as bytes: the binary tensor data extension of v2, shared by HTTP and gRPC.

Fixed-size elements are little-endian and row-major. BYTES elements are a little-endian uint32 length and the bytes
themselves, one after the other (KServe V2, "Binary Tensor Data Extension").
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from naiad.core.datatypes import BY_NAME, Datatype
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest
from naiad.core.tensor import (
    MANY_STRINGS,
    Array,
    Tensor,
    bytes_tensor,
    gather_strings,
    pieces_of,
    raw_strings,
    wire_array,
)
from naiad.protocol.limits import Limits

_LENGTH = struct.Struct("<I")
_COPIED_BYTES = 4096
"""Below this, a copy costs less than a view."""
_BYTES = BY_NAME["BYTES"]


class WrongSize(InvalidRequest):
    """Bytes, or elements, that do not fill a shape.

    Triton looks for these when it has read the whole request, from the last input to the first; who decodes several
    inputs goes on, and raises the last of them.
    """


def decode(
    name: str,
    datatype: str,
    shape: tuple[int, ...],
    raw: bytes | memoryview,
    request: InferRequest | None = None,
    limits: Limits | None = None,
) -> Tensor:
    """Make a tensor over `raw` without copying (BYTES elements are copied out).

    request: the one it is an input of, for the messages. limits: those of BYTES; None: there are none. Raises
    InvalidRequest when the bytes do not fill the shape exactly, and past the limits.
    """
    row = BY_NAME[datatype]
    if not shape and request is not None and len(raw) != row.size_bytes:
        # No model takes an input without a shape; Triton looks at that first, and so the model's check will.
        return bytes_tensor(name, [b""], shape) if row is _BYTES else Tensor(name, datatype, np.zeros(shape, row.numpy))
    if datatype == "BYTES":
        count = prod(shape)
        if limits is not None:
            check_strings(name, count, 0, limits)
        elements = _elements(name, raw, count, request)
        if limits is not None and len(raw) > limits.string_bytes:  # or none of them can be too long
            check_strings(name, count, longest_of(elements), limits)
        return bytes_tensor(name, elements, shape)
    count = prod(shape)
    if len(raw) != count * row.size_bytes:
        raise wrong_size(name, row, count, len(raw), request)
    return Tensor(name, datatype, np.ndarray(shape, row.numpy, raw))


def longest_of(values: Sequence[bytes] | Array) -> int:
    """Return the length of the longest string, 0 of none; no call takes long, however many there are."""
    starts = range(0, len(values), MANY_STRINGS)
    return max((max(map(len, values[at : at + MANY_STRINGS])) for at in starts), default=0)


def check_strings(name: str, count: int, longest: int, limits: Limits) -> None:
    """Raise InvalidRequest for more or longer BYTES elements than a tensor may have; longest: in bytes."""
    if count > limits.string_elements:
        raise InvalidRequest(
            f"input '{name}' has {count} string elements; at most {limits.string_elements} are allowed", tensor=name
        )
    if longest > limits.string_bytes:
        raise InvalidRequest(
            f"input '{name}' has a string of {longest} bytes; at most {limits.string_bytes} are allowed", tensor=name
        )


def wrong_size(name: str, row: Datatype, count: int, got: int, request: InferRequest | None) -> WrongSize:
    """Return the error for an input that should have `count` elements; got: bytes, or elements of BYTES."""
    mark, owner = ("", "") if request is None else (request.mark, f" for model '{request.model_name}'")
    if row.name != "BYTES":
        text = f"input byte size mismatch for input '{name}'{owner}. Expected {count * row.size_bytes}, got {got}"
    elif got < count:
        text = f"expected {count} string elements for inference input '{name}'{owner}, got {got}"
    else:
        text = f"unexpected number of string elements {got} for inference input '{name}'{owner}, expecting {count}"
    return WrongSize(mark + text, tensor=name)


def _elements(name: str, raw: bytes | memoryview, count: int, request: InferRequest | None) -> list[bytes] | Array:
    """Split length-prefixed elements, of which there must be `count`."""
    if count > len(raw) // 4:  # each element takes at least its length; checked before anything is allocated
        raise wrong_size(name, _BYTES, count, sum(1 for _ in _split(name, raw, count, request)), request)
    if count > MANY_STRINGS:
        gathered, got = gather_strings(_split(name, raw, count, request), count)
        if got != count:
            raise wrong_size(name, _BYTES, count, got, request)
        return gathered
    elements: list[bytes] = []
    for element in _split(name, raw, count, request):
        elements.append(element)
        if len(elements) > count:
            break
    if len(elements) != count:
        raise wrong_size(name, _BYTES, count, len(elements), request)
    return elements


def _split(name: str, raw: bytes | memoryview, count: int, request: InferRequest | None) -> Iterator[bytes]:
    view = memoryview(raw)
    at, end, seen = 0, len(view), 0
    while at < end:
        if at + 4 > end:
            mark, owner = ("", "") if request is None else (request.mark, f" for model '{request.model_name}'")
            raise WrongSize(
                f"{mark}incomplete string length indicator for inference input '{name}'{owner}, expecting 4 bytes but "
                f"only {end - at} bytes available. Please make sure the string length indicator is in one buffer.",
                tensor=name,
            )
        (length,) = _LENGTH.unpack_from(view, at)
        at += 4
        seen += 1
        if at + length > end and seen < count:  # Triton counts before it looks for the data
            raise wrong_size(name, _BYTES, count, seen, request)
        if at + length > end:
            raise WrongSize(
                f"incomplete string data for inference input '{name}', expecting string of length {length} but only "
                f"{end - at} bytes available",
                tensor=name,
            )
        yield bytes(view[at : at + length])
        at += length


def encode(tensor: Tensor) -> bytes:
    """Return the tensor's bytes; the inverse of `decode`. Raises Failed for data of another datatype."""
    if tensor.datatype != "BYTES":
        return wire_array(tensor).tobytes()
    if tensor.data.size > MANY_STRINGS:
        return b"".join([encode(piece) for piece in pieces_of(tensor)])
    pieces: list[bytes] = []
    for raw in raw_strings(tensor):
        pieces.append(_LENGTH.pack(len(raw)))
        pieces.append(raw)
    return b"".join(pieces)


def view(tensor: Tensor) -> bytes | memoryview:
    """Return the tensor's bytes without copying them where that pays: a large tensor's own memory."""
    data = tensor.data
    if tensor.datatype == "BYTES" or data.nbytes < _COPIED_BYTES:
        if data.dtype == BY_NAME[tensor.datatype].numpy and data.dtype != object:
            return data.tobytes()
        return encode(tensor)
    return wire_array(tensor).data.cast("B")
