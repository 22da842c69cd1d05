"""What makes two requests equal: everything that a model's answer can depend on, as one hash.

Hashed are which copy of the model, the requested outputs, the caller's parameters, and of each input its name,
datatype, shape and bytes as they would travel, whatever their layout in memory. Not hashed is what changes no answer or
is done to it afterwards: id, priority, timeout, classification, where an output goes.

Nobody can make two requests with one key: BLAKE2b is resistant to that. Keys that do not leave this process are keyed
besides, with bytes that only it knows.
"""

from __future__ import annotations

import secrets
from collections.abc import Hashable
from hashlib import blake2b
from typing import Any

import numpy as np

from naiad.core.message import InferRequest
from naiad.core.tensor import Array, Tensor
from naiad.protocol import binary

KEY_BYTES = 32

MOST_FORMS = 64
"""Looks of requests that are remembered, so that describing them again costs nothing; clients have few."""

_SECRET = secrets.token_bytes(blake2b.MAX_KEY_SIZE)
_MOST_STRINGS = 1024


class Keys:
    """Makes the keys of one copy of a model."""

    def __init__(self, model: str, version: str, copy: object, *, secret: bytes = _SECRET, prefix: bytes = b"") -> None:
        """copy: what tells it from every copy that answers otherwise, in words of `repr`.

        prefix: stands before every key, in which hashes are then hexadecimal digits, for keys that people may see.
        """
        self._begun = blake2b(digest_size=KEY_BYTES, key=secret)
        self._prefix = prefix
        self._forms: dict[Hashable, tuple[blake2b, tuple[str, ...]]] = {}
        """By the look of a request without parameters: the hash of all but the bytes, and the order of the inputs."""
        _add(self._begun, repr((model, version, copy)).encode(errors="surrogatepass"))

    def of(self, request: InferRequest) -> bytes:
        """Return the key of a request. Inputs in memory that its client can still change are copied first.

        Raises Failed for inputs that are not what their datatype says.
        """
        inputs = request.inputs
        for name, tensor in inputs.items():
            if not _is_ours(tensor.data):
                inputs[name] = Tensor(name, tensor.datatype, tensor.data.copy())
        begun, order = self._described(request)
        hashed = begun.copy()
        for name in order:
            hashed.update(binary.view(inputs[name]))  # how long that is follows from what was added before
        return self._prefix + hashed.hexdigest().encode() if self._prefix else hashed.digest()

    def _described(self, request: InferRequest) -> tuple[blake2b, tuple[str, ...]]:
        """Return the hash of all but the inputs' bytes, and the order in which these follow."""
        inputs = request.inputs
        if request.parameters:  # of which some are equal and yet not the same: 1, 1.0, True
            return self._describe(request)
        form = (
            tuple([output.name for output in request.outputs]),
            *[(name, tensor.datatype, tensor.data.shape) for name, tensor in inputs.items()],
        )
        found = self._forms.get(form)
        if found is None:
            found = self._describe(request)
            if len(self._forms) < MOST_FORMS:
                self._forms[form] = found
        return found

    def _describe(self, request: InferRequest) -> tuple[blake2b, tuple[str, ...]]:
        order = tuple(sorted(request.inputs))
        tensors = [request.inputs[name] for name in order]
        described = repr(
            (
                [output.name for output in request.outputs],
                sorted(request.parameters.items()),
                [(tensor.name, tensor.datatype, tensor.data.shape) for tensor in tensors],
            )
        )
        begun = self._begun.copy()
        _add(begun, described.encode(errors="surrogatepass"))
        return begun, order


def size_of(request: InferRequest) -> int:
    """Bytes to be hashed, roughly; many or unusual strings count as very many bytes without being looked at."""
    size = 0
    for tensor in request.inputs.values():
        if tensor.datatype != "BYTES":
            size += tensor.data.nbytes
        elif tensor.data.size > _MOST_STRINGS:
            return 2**63
        else:
            size += sum(len(value) if isinstance(value, bytes | str) else 2**63 for value in tensor.data.flat)
    return size


def _add(hashed: blake2b, raw: bytes) -> None:
    """Add bytes in front of others: with their length, so that the border between the two is certain."""
    hashed.update(len(raw).to_bytes(8, "little"))
    hashed.update(raw)


def _is_ours(data: Array) -> bool:
    """Whether memory belongs to this process alone: not a client's shared memory, which may change under the model."""
    base: Any = data
    while type(base) is np.ndarray:
        base = base.base
    if base is None or type(base) is bytes:  # nearly always
        return True
    if isinstance(base, memoryview):
        base = base.obj
    return isinstance(base, np.ndarray | bytes | bytearray)
