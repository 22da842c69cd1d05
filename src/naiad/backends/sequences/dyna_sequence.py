"""Triton's dyna_sequence backend: adds up what each sequence is given; for trying out oldest-first batching.

INPUT and OUTPUT are INT32 vectors of one length; START, END, READY and CORRID the controls, the last of them UINT64, or
STRING with numbers written out. Each id has a sum: a step with START sets it to the sum of INPUT, another adds to it; a
step with END adds the id besides. Every element of OUTPUT is the sum then. `execute_delay_ms`: how much longer each
execution takes.
"""

from __future__ import annotations

from naiad.backends.declared import refused
from naiad.backends.graphless import Graphless
from naiad.backends.identity_delays import Delay
from naiad.backends.sequences.accumulating import (
    answer,
    check_controls,
    check_vectors,
    delays,
    is_true,
    objection,
    total,
    wrapped,
)
from naiad.core.contracts import Batch, Instances, LoadRequest
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest, InferResponse

CONTROLS = ("START", "END", "READY", "CORRID")

MOST_SUMS = 1 << 16
"""Sums that are kept; sequences that never end leave theirs behind."""


class DynaSequenceBackend(Graphless):
    """Gives instances that have a sum for each sequence."""

    name = "dyna_sequence"

    def load(self, request: LoadRequest) -> Instances[InferRequest]:
        """Raise LoadFailed unless tensors and controls are declared as described above."""
        config, version = request.tensors.config, request.tensors.version
        check_controls(config, CONTROLS, "'START', 'END, 'READY' and 'CORRID' must be configured as the control inputs")
        types = [tensor.datatype for tensor in config.instance_inputs if tensor.name == "CORRID"]
        if types not in (["UINT64"], ["BYTES"]):
            raise refused(config, "model CORRID control input must have TYPE_UINT64 or TYPE_STRING data-type")
        check_vectors(config)
        instances = tuple(DynaSequenceInstance(version, delay) for delay in delays(config, len(request.names)))
        return Instances(instances, names=request.names)


class DynaSequenceInstance:
    """One copy, with its sums."""

    def __init__(self, version: str, delay: Delay) -> None:
        self._version = version
        self._sums: dict[int, int] = {}
        """By id, the one that was used last at the end."""
        self._delay = delay
        self.interrupt = delay.end

    def execute(self, batch: Batch[InferRequest]) -> list[InferResponse | InvalidRequest]:
        """Add to the sum of each step's sequence, and answer with it."""
        self._delay.pass_in(batch)
        return [objection(request, *CONTROLS) or self._step(request) for request in batch.items]

    def close(self) -> None:
        """Nothing to release."""

    def _step(self, request: InferRequest) -> InferResponse | InvalidRequest:
        if not is_true(request, "READY"):
            return answer(request, self._version, 0)
        given = request.inputs["CORRID"].data.item()
        text = given.decode() if isinstance(given, bytes) else str(given)
        if not (text.isascii() and text.isdigit()):
            return InvalidRequest(f"model '{request.model_name}' needs an id that is a number, not '{text[:40]}'")
        id_ = int(text)
        before = self._sums.pop(id_, 0)
        made = total(request) + (0 if is_true(request, "START") else before)
        if is_true(request, "END"):
            return answer(request, self._version, wrapped(made + id_))
        self._sums[id_] = wrapped(made)
        if len(self._sums) > MOST_SUMS:
            del self._sums[next(iter(self._sums))]
        return answer(request, self._version, self._sums[id_])
