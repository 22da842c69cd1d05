"""Triton's iterative_sequence backend: counts down from INPUT, one answer a run; for trying out iterative sequences.

INPUT and OUTPUT are INT32 [1]. A request for n gets n answers, n - 1 down to 0, and is given back after each but the
last, to be run again with whatever else is there then. `execute_delay_ms`: how much longer each execution takes.
"""

from __future__ import annotations

from naiad.backends.declared import Declared, check_declared
from naiad.backends.graphless import Graphless
from naiad.backends.identity_delays import Delay
from naiad.backends.sequences.accumulating import answer, delays, objection
from naiad.core.contracts import Batch, Instances, LoadRequest, Send
from naiad.core.errors import Rescheduled
from naiad.core.message import InferRequest


class IterativeSequenceBackend(Graphless):
    """Gives instances that answer once for each run of a request."""

    name = "iterative_sequence"

    def load(self, request: LoadRequest) -> Instances[InferRequest]:
        """Raise LoadFailed unless there are one INPUT and one OUTPUT, both INT32 [1]."""
        config, version = request.tensors.config, request.tensors.version
        check_declared(config, (Declared("INPUT", "INT32"),), (Declared("OUTPUT", "INT32"),))
        is_iterative = config.sequence_batching is not None and config.sequence_batching.is_iterative
        made = (IterativeSequenceInstance(version, one, is_iterative) for one in delays(config, len(request.names)))
        return Instances(tuple(made), names=request.names)


class IterativeSequenceInstance:
    """One copy, with what is left of each request."""

    capacity = 1

    def __init__(self, version: str, delay: Delay, is_iterative: bool) -> None:
        """is_iterative: the model is configured for requests that are given back."""
        self._version = version
        self._is_iterative = is_iterative
        self._left: dict[int | str, int] = {}
        """By the id of the request's sequence: answers that are still to come."""
        self._delay = delay
        self.interrupt = delay.end

    def execute(self, batch: Batch[InferRequest], send: Send) -> None:
        """Give each request its next answer, and the request back unless it was the last."""
        self._delay.pass_in(batch)
        for number, request in enumerate(batch.items):
            error = objection(request)
            if error is not None:
                send(number, error, True)
            else:
                self._step(number, request, send)

    def close(self) -> None:
        """Nothing to release."""

    def _step(self, number: int, request: InferRequest, send: Send) -> None:
        step = request.sequence
        name = 0 if step is None else step.id
        before = None if step is None or step.is_first else self._left.pop(name, None)
        left = (int(request.inputs["INPUT"].data.item()) if before is None else before) - 1
        if left <= 0:
            send(number, answer(request, self._version, left), True)
        elif not self._is_iterative:
            send(number, Rescheduled(), True)
        else:
            if send(number, answer(request, self._version, left), False):
                self._left[name] = left
            send(number, Rescheduled(), True)
