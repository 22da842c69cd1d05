"""Requests whose inputs all lie in shared memory, that differ from one before in nothing but what is there.

As `request_form.py`, which is for tensors inside the request. A form holds the regions' names and not the regions:
each request asks the memory anew, as decoding it would, so a region that is gone or has been replaced is noticed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from naiad.core.client_memory import ClientMemory, OutputMemory
from naiad.core.message import InferRequest
from naiad.core.tensor import Tensor
from naiad.protocol.request_form import is_same_but_tensors
from naiad.protocol.shared_memory import MemoryRange

LONGEST_BYTES = 4096
"""The longest request that is learnt; 512 of them, as many as there are forms, take 2 MiB."""


class MemoryForm:
    """One request without what is in the memory that it points to."""

    __slots__ = ("_inputs", "_memory", "_outputs", "_template", "id", "outputs")

    def __init__(self, request: InferRequest, memory: ClientMemory, asked: Asked) -> None:
        """request: one that was decoded with nothing but `asked`."""
        self.id = request.id
        self.outputs = request.outputs
        """Forms with the same may be given the same object: requests that share it are joined faster."""
        self._memory = memory
        self._inputs = [
            (tensor.name, tensor.datatype, tensor.data.shape, tensor.data.dtype, where)
            for tensor, where in zip(request.inputs.values(), asked.reads, strict=True)
        ]
        self._outputs = list(zip(request.output_memory or (), asked.reservations, strict=True))
        self._template = InferRequest(
            request.model_name,
            request.model_version,
            "",
            {},
            (),
            dict(request.parameters),
            request.priority,
            request.timeout_us,
            wants_empty_final=request.wants_empty_final,
        )

    def fill(self, raw: bytes, request_id: str) -> InferRequest:  # noqa: ARG002 - as RequestForm, which needs it
        """Return the request as it is now. Raises what the memory raises."""
        array, read, reserve = np.ndarray, self._memory.read, self._memory.reserve
        inputs = {}
        for name, datatype, shape, dtype, (region, offset, byte_size) in self._inputs:
            inputs[name] = Tensor(name, datatype, array(shape, dtype, read(region, offset, byte_size)))
        places: dict[str, OutputMemory] = {}
        for name, (region, offset, byte_size) in self._outputs:
            places[name] = reserve(region, offset, byte_size)
        template = self._template
        parameters = template.parameters
        return InferRequest(
            template.model_name,
            template.model_version,
            request_id,
            inputs,
            self.outputs,
            dict(parameters) if parameters else {},
            template.priority,
            template.timeout_us,
            wants_empty_final=template.wants_empty_final,
            output_memory=places or None,
        )


class Asked:
    """A ClientMemory that notes what a decoder asks it for."""

    def __init__(self, memory: ClientMemory) -> None:
        self._memory = memory
        self.reads: list[MemoryRange] = []
        self.reservations: list[MemoryRange] = []

    def check_allowed(self) -> None:
        """See `ClientMemory`."""
        self._memory.check_allowed()

    def read(self, region: str, offset: int, byte_size: int) -> memoryview:
        """See `ClientMemory`."""
        self.reads.append(MemoryRange(region, offset, byte_size))
        return self._memory.read(region, offset, byte_size)

    def reserve(self, region: str, offset: int, byte_size: int) -> OutputMemory:
        """See `ClientMemory`."""
        self.reservations.append(MemoryRange(region, offset, byte_size))
        return self._memory.reserve(region, offset, byte_size)


def memory_form_of(decode: Callable[[ClientMemory], InferRequest], memory: ClientMemory) -> MemoryForm | None:
    """Decode a request once more and return its form; None where the form would be anything but the request."""
    asked = Asked(memory)
    request = decode(asked)
    tensors = list(request.inputs.values())
    if len(tensors) != len(asked.reads) or any(tensor.datatype == "BYTES" for tensor in tensors):
        return None  # not all of it is there, or it must be looked at each time
    form = MemoryForm(request, memory, asked)
    again = form.fill(b"", request.id)
    same = is_same_but_tensors(again, request) and all(_is_same(again.inputs[one.name], one) for one in tensors)
    return form if same else None


def _is_same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same view of the same memory, what clients write there meanwhile notwithstanding."""
    return one.data.__array_interface__ == other.data.__array_interface__ and one.data.dtype == other.data.dtype
