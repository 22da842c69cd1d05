"""Requests that differ from one before in nothing but their tensors' bytes: made without decoding them again.

A client sends the same names, shapes and parameters again and again. What the decoders made of them once is kept as a
form and filled with new bytes. Here is what HTTP and gRPC share; where the bytes lie and how a form is recognised is
the business of `known_bodies.py` and `grpc/known_messages.py`. The decoders stay the only judges: a form is kept only
if filling it gives what they gave, and whatever has no form is decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from naiad.core.message import InferRequest
from naiad.core.tensor import Array, Tensor

_COPIED_BYTES = 4096
"""Below this a copy costs less than a view, and lies where processors like it."""

_FILLED_LATER = ("inputs", "arrived_s")

Place = tuple[int, int]
"""Where the bytes of one input begin and end."""


class RequestForm:
    """One request without the bytes of its tensors."""

    __slots__ = (
        "_outputs",
        "_parameters",
        "_priority",
        "_tensors",
        "_timeout_us",
        "_wants_empty_final",
        "id",
        "model",
        "version",
    )

    def __init__(self, request: InferRequest, places: Sequence[Place]) -> None:
        """places: of the inputs, in their order."""
        self.model = request.model_name
        self.version = request.model_version
        self.id = request.id
        self._outputs = request.outputs
        self._parameters = dict(request.parameters)
        self._priority = request.priority
        self._timeout_us = request.timeout_us
        self._wants_empty_final = request.wants_empty_final
        self._tensors = [
            (
                tensor.name,
                tensor.datatype,
                tensor.data.shape,
                tensor.data.dtype,
                start,
                end,
                end - start < _COPIED_BYTES,
            )
            for tensor, (start, end) in zip(request.inputs.values(), places, strict=True)
        ]

    def fill(self, raw: bytes, request_id: str) -> InferRequest:
        """Return the request whose tensors lie in `raw`; large ones are views of it."""
        inputs = {}
        array = np.ndarray
        for name, datatype, shape, dtype, start, end, is_copied in self._tensors:
            data = array(shape, dtype, raw[start:end]) if is_copied else array(shape, dtype, raw, start)
            inputs[name] = Tensor(name, datatype, data)
        parameters = self._parameters
        return InferRequest(
            self.model,
            self.version,
            request_id,
            inputs,
            self._outputs,
            dict(parameters) if parameters else {},
            self._priority,
            self._timeout_us,
            wants_empty_final=self._wants_empty_final,
        )


def form_of(request: InferRequest, raw: bytes, places: Sequence[Place]) -> RequestForm | None:
    """Return the form of a request that was decoded from `raw`; None where it is not the whole of the request."""
    if len(places) != len(request.inputs) or any(tensor.datatype == "BYTES" for tensor in request.inputs.values()):
        return None
    form = RequestForm(request, places)
    sizes = [end - start for start, end in places]
    if sizes != [tensor.data.nbytes for tensor in request.inputs.values()]:
        return None
    again = form.fill(raw, request.id)
    if not is_same_but_tensors(again, request):
        return None
    same = all(
        _has_same_bytes(tensor.data, request.inputs[name].data) and not request.inputs[name].data.flags.writeable
        for name, tensor in again.inputs.items()
    )
    return form if same else None


def _has_same_bytes(one: Array, other: Array) -> bool:
    """Whether two arrays of one size hold the same; views of the same memory do, and need not be read for that."""
    is_same_place = one.__array_interface__["data"] == other.__array_interface__["data"]
    if is_same_place and one.flags.c_contiguous and other.flags.c_contiguous:
        return True
    return one.tobytes() == other.tobytes()


def is_same_but_tensors(again: InferRequest, request: InferRequest) -> bool:
    """Whether a filled form is the request, tensors aside; not where that has something that forms know nothing of."""
    names = (field.name for field in fields(InferRequest) if field.name not in _FILLED_LATER)
    return all(getattr(again, name) == getattr(request, name) for name in names)
