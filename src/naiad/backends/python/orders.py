"""Requests as a worker gets them: the rows of an EXECUTE message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from naiad.backends.python.worker.forms import MOST_TOGETHER, MOST_TOGETHER_BYTES, Form, Written
from naiad.backends.python.worker.tensors import Packed
from naiad.backends.python.worker.wire import Channel
from naiad.backends.reshape import Reshape
from naiad.core.message import InferRequest, SequenceStep
from naiad.core.model.config import ModelConfig
from naiad.core.trace import Trace

SEQUENCE_START, SEQUENCE_END = 1, 2

LONGEST_ID = 1024
"""Bytes of a request's id that travels with a form."""

SHORT_STRINGS, SHORT_BYTES = 1024, 64 * 1024
"""Strings, and their bytes together, that are moved on the loop."""


class Orders:
    """Writes the requests of one model."""

    def __init__(self, config: ModelConfig) -> None:
        self.traces: dict[int, Trace] = {}
        """Of the requests that are traced and under way, by their numbers."""
        self._strings = [tensor.name for tensor in config.inputs if tensor.datatype == "BYTES"]
        batch_dims = int(config.max_batch_size > 0)
        self._reshapes = {
            tensor.name: Reshape(tensor.dims, tensor.reshape, batch_dims)
            for tensor in config.inputs
            if tensor.reshape is not None and tensor.reshape != tensor.dims
        }

    def are_short(self, requests: Sequence[InferRequest]) -> bool:
        """Whether their strings, which are moved one by one, are so few that it takes no time."""
        if not self._strings:
            return True
        arrays = [one.inputs[name].data for one in requests for name in self._strings if name in one.inputs]
        return (
            sum(one.size for one in arrays) <= SHORT_STRINGS
            and sum(len(text) for one in arrays for text in one.ravel().tolist()) <= SHORT_BYTES
        )

    def formed(
        self, written: Written, channel: Channel, requests: Sequence[InferRequest]
    ) -> tuple[list[Form], list[bytes], list[bytes]] | None:
        """Return the requests' forms, their ids and their tensors' bytes, if all have a form. Raises OSError."""
        if self._reshapes or len(requests) > MOST_TOGETHER:
            return None
        forms, ids, pieces, size = [], [], [], 0
        for request in requests:
            if request.parameters or request.sequence is not None or request.timeout_us or request.trace is not None:
                return None
            tensors, outputs = request.inputs.values(), request.outputs
            wanted = tuple([output.name for output in outputs]) if outputs else ()
            key = (wanted, *[(one.name, one.datatype, one.data.dtype, one.data.shape) for one in tensors])
            form, request_id = written.find(key, channel), request.id.encode() if request.id else b""
            if form is None or len(request_id) > LONGEST_ID:
                return None
            size += form.size + len(request_id)
            if size > MOST_TOGETHER_BYTES:
                return None
            forms.append(form)
            ids.append(request_id)
            for one, pad in zip(tensors, form.pads, strict=True):
                pieces.append(one.data.tobytes())
                if pad:
                    pieces.append(pad)
        return forms, ids, pieces

    def rows(self, packed: Packed, requests: Sequence[InferRequest]) -> list[list[Any]]:
        """Write requests. Raises ModelFailed for an input that cannot have the shape that the model wants."""
        return [self._row(packed, request) for request in requests]

    def _row(self, packed: Packed, request: InferRequest) -> list[Any]:
        step, trace, reshapes = request.sequence, request.trace, self._reshapes
        tensors = []
        for tensor in request.inputs.values():
            data = tensor.data
            if reshapes and tensor.name in reshapes:
                data = reshapes[tensor.name](data)
            tensors.append(packed.add(tensor.name, tensor.datatype, data))
        return [
            request.id,
            0 if step is None else step.id,
            0 if step is None else _flags(step),
            request.timeout_us,
            request.parameters or None,
            [output.name for output in request.outputs] if request.outputs else None,
            None if trace is None else self._traced(trace),
            tensors,
        ]

    def done(self, requests: Sequence[InferRequest]) -> None:
        """Note that requests are no longer under way."""
        if self.traces:
            for request in requests:
                if request.trace is not None:
                    self.traces.pop(request.trace.id, None)

    def _traced(self, trace: Trace) -> list[Any]:
        self.traces[trace.id] = trace
        caller = trace.caller
        if caller is None:
            return [trace.id, None]
        context = {"traceparent": caller.traceparent}
        if caller.tracestate:
            context["tracestate"] = caller.tracestate
        return [trace.id, json.dumps(context)]


def _flags(step: SequenceStep) -> int:
    return SEQUENCE_START * step.is_first | SEQUENCE_END * step.is_last
