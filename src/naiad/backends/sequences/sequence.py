"""Triton's sequence backend: adds up what each row of the batch is given; for trying out direct batching.

INPUT and OUTPUT are INT32 vectors of one length, START and READY the controls. Each row has a sum: a step with START
sets it to the sum of INPUT, another adds to it, and every element of OUTPUT is the sum then. A row that is not READY
stays as it is. `execute_delay_ms`: how much longer each execution takes.
"""

from __future__ import annotations

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
from naiad.core.message import InferRequest, InferResponse

CONTROLS = ("START", "READY")


class SequenceBackend(Graphless):
    """Gives instances that have a sum for each row of a batch."""

    name = "sequence"

    def load(self, request: LoadRequest) -> Instances[InferRequest]:
        """Raise LoadFailed unless tensors and controls are declared as described above."""
        message = "'START' and 'READY' must be configured as the control inputs"
        check_controls(request.tensors.config, CONTROLS, message)
        return open_sums(SequenceInstance, request)


class SequenceInstance(SumInstance):
    """One copy, with a sum for each row."""

    controls = CONTROLS

    def step(self, row: int, request: InferRequest) -> InferResponse:
        """Add to the row's sum, unless there is no step for it."""
        if is_true(request, "READY"):
            before = 0 if is_true(request, "START") else self._sums.get(row, 0)
            self._sums[row] = wrapped(before + total(request))
        return answer(request, self._version, self._sums.get(row, 0))
