"""A request's BYTES tensors as Python strings, and back.

Shapes [n], [n, 1] and [] are all n texts; answers are always [n]. An empty list of texts is an error: a request that
asks nothing is a mistake on the caller's side, and an answer without rows would hide it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest
from naiad.core.tensor import Array, Tensor


def read_texts(request: InferRequest, name: str) -> list[str]:
    """The texts of input `name`.

    Raises InvalidRequest for an input that is missing, empty, of another datatype or shape, or not UTF-8.
    """
    tensor = request.inputs.get(name)
    if tensor is None:
        raise InvalidRequest(f"input '{name}' is missing: send it as BYTES with shape [n]", input=name)
    return decode_texts(tensor)


def read_optional_texts(request: InferRequest, name: str) -> list[str] | None:
    """Like `read_texts`, but None where the input is absent."""
    return read_texts(request, name) if name in request.inputs else None


def decode_texts(tensor: Tensor) -> list[str]:
    """The texts of a tensor. Raises InvalidRequest as `read_texts` does."""
    if tensor.datatype != "BYTES":
        raise InvalidRequest(f"input '{tensor.name}' is {tensor.datatype}, BYTES is expected", input=tensor.name)
    data = tensor.data
    if data.ndim > 2 or (data.ndim == 2 and data.shape[1] != 1):
        raise InvalidRequest(
            f"input '{tensor.name}' has shape {list(data.shape)}, [n] or [n, 1] is expected", input=tensor.name
        )
    if data.size == 0:
        raise InvalidRequest(f"input '{tensor.name}' is empty: send at least one text", input=tensor.name)
    texts: list[str] = []
    try:
        for value in data.reshape(-1).tolist():
            texts.append(value.decode())  # noqa: PERF401 - how far it came names the element that failed
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"input '{tensor.name}': element {len(texts)} is not valid UTF-8 at byte {error.start}",
            input=tensor.name,
            element=len(texts),
        ) from error
    return texts


def text_array(values: Iterable[str], shape: Sequence[int] | None = None) -> Array:
    """Strings as an object array of UTF-8 bytes; shape defaults to (count,)."""
    encoded = [value.encode() for value in values]
    data = np.empty(len(encoded), dtype=np.object_)
    data[:] = encoded
    return data if shape is None else data.reshape(tuple(shape))
