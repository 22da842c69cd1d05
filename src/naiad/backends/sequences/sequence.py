"""Triton's sequence backend: adds up what each row of the batch is given; for trying out direct batching.

INPUT and OUTPUT are INT32 vectors of one length, START and READY the controls. Each row has a sum: a step with START
sets it to the sum of INPUT, another adds to it, and every element of OUTPUT is the sum then. A row that is not READY
stays as it is. `execute_delay_ms`: how much longer each execution takes.
"""

from __future__ import annotations

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

CONTROLS = ("START", "READY")


class SequenceBackend(Graphless):
    """Gives instances that have a sum for each row of a batch."""

    name = "sequence"

    def load(self, request: LoadRequest) -> Instances[InferRequest]:
        """Raise LoadFailed unless tensors and controls are declared as described above."""
        config, version = request.tensors.config, request.tensors.version
        check_controls(config, CONTROLS, "'START' and 'READY' must be configured as the control inputs")
        check_vectors(config)
        instances = tuple(SequenceInstance(version, delay) for delay in delays(config, len(request.names)))
        return Instances(instances, names=request.names)


class SequenceInstance:
    """One copy, with its sums."""

    def __init__(self, version: str, delay: Delay) -> None:
        self._version = version
        self._sums: dict[int, int] = {}
        """By row."""
        self._delay = delay
        self.interrupt = delay.end

    def execute(self, batch: Batch[InferRequest]) -> list[InferResponse | InvalidRequest]:
        """Add to each row, and answer with its sum."""
        self._delay.pass_in(batch)
        return [objection(request, *CONTROLS) or self._step(row, request) for row, request in enumerate(batch.items)]

    def close(self) -> None:
        """Nothing to release."""

    def _step(self, row: int, request: InferRequest) -> InferResponse:
        if is_true(request, "READY"):
            before = 0 if is_true(request, "START") else self._sums.get(row, 0)
            self._sums[row] = wrapped(before + total(request))
        return answer(request, self._version, self._sums.get(row, 0))
