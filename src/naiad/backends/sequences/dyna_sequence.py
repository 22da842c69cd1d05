"""Triton's dyna_sequence backend: adds up what each sequence is given; for trying out oldest-first batching.

INPUT and OUTPUT are INT32 vectors of one length; START, END, READY and CORRID the controls, the last of them UINT64, or
STRING with numbers written out. Each id has a sum: a step with START sets it to the sum of INPUT, another adds to it; a
step with END adds the id besides. Every element of OUTPUT is the sum then. `execute_delay_ms`: how much longer each
execution takes.
"""

from __future__ import annotations

from naiad.backends.declared import refused
from naiad.backends.graphless import Graphless
from naiad.backends.sequences.accumulating import (
    SumInstance,
    answer,
    check_controls,
    is_true,
    open_sums,
    total,
    wrapped,
)
from naiad.core.contracts import Instances, LoadRequest
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
        config = request.tensors.config
        check_controls(config, CONTROLS, "'START', 'END, 'READY' and 'CORRID' must be configured as the control inputs")
        types = [tensor.datatype for tensor in config.instance_inputs if tensor.name == "CORRID"]
        if types not in (["UINT64"], ["BYTES"]):
            raise refused(config, "model CORRID control input must have TYPE_UINT64 or TYPE_STRING data-type")
        return open_sums(DynaSequenceInstance, request)


class DynaSequenceInstance(SumInstance):
    """One copy, with a sum for each id, the one that was used last at the end."""

    controls = CONTROLS

    def step(self, row: int, request: InferRequest) -> InferResponse | InvalidRequest:  # noqa: ARG002 - SumInstance's
        """Add to the sequence's sum."""
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
