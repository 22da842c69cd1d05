"""Requests that a model sends to other models of the server, and their answers' way back to its worker (BLS)."""

from __future__ import annotations

from typing import Any

from naiad.backends.python.answers import CODES
from naiad.backends.python.orders import SEQUENCE_END, SEQUENCE_START
from naiad.backends.python.process import WorkerProcess
from naiad.backends.python.withdrawals import Withdrawals
from naiad.backends.python.worker import wire
from naiad.backends.python.worker.tensors import Packed, Unpacked
from naiad.core.errors import InvalidRequest, NaiadError, NotReady
from naiad.core.message import Answer, InferRequest, InferResponse, RequestedOutput, SequenceStep
from naiad.core.model.host import ModelHost
from naiad.core.tensor import Tensor
from naiad.core.trace import Trace

SHORT_BYTES = 128 * 1024
"""What is written of an answer on the loop."""

STRING_BYTES = 64
"""What could be copied while one string is written."""


class Calls:
    """Those of one instance."""

    def __init__(self, host: ModelHost | None, traces: dict[int, Trace], only: str = "") -> None:
        """traces: of the requests that are under way. only: the model, if it has one instance, which takes one batch.

        Such a model would wait for itself.
        """
        self._host = host
        self._traces = traces
        self._only = only
        self._withdrawals = Withdrawals()

    def take(self, worker: WorkerProcess, message: wire.Message) -> None:
        """Send a request on its way. Raises Garbled."""
        unpacked = worker.unpack_side(message)
        try:
            number, row, is_decoupled = message.header["c"], message.header["r"], bool(message.header["d"])
            request, trace = _request(row, unpacked), self._traces.get(row[8])
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise wire.Garbled(f"a request makes no sense: {error}") from error
        call = _Call(self._withdrawals, worker, number, is_order=bool(message.header.get("o")))
        if self._host is None:
            call.deliver(NotReady("there is no server that could run other models"), True)
        elif request.model_name == self._only:
            call.deliver(InvalidRequest(f"model '{self._only}' would wait for itself: it has one instance"), True)
        else:
            withdraw = self._host.infer(request, call.deliver, trace, takes_one=not is_decoupled)
            self._withdrawals.keep(call, withdraw)

    def let_go(self, worker: WorkerProcess, message: wire.Message) -> None:
        """Withdraw a request whose answers nobody wants any more."""
        self._withdrawals.let_go(worker, message.header.get("c", 0))

    def withdraw_all(self, worker: WorkerProcess) -> None:
        """Withdraw everything that a worker waits for: it is gone, or nobody waits for it."""
        self._withdrawals.withdraw_all(worker)


class _Call:
    """One request under way."""

    def __init__(self, withdrawals: Withdrawals, worker: WorkerProcess, number: int, *, is_order: bool) -> None:
        """is_order: the worker waits for the answer where it waits for orders."""
        self._withdrawals = withdrawals
        self.worker = worker
        self.number = number
        self._is_order = is_order
        self.is_over = False

    def deliver(self, answer: Answer, is_final: bool) -> None:
        """Pass an answer on; called on the event loop's thread."""

        def make(packed: Packed) -> dict[str, Any]:
            return {"c": self.number, "a": _row(packed, answer), "f": is_final}

        if is_final:
            self._withdrawals.end(self)
        self.worker.write(wire.ANSWER, make, is_order=self._is_order, is_long=_is_long(answer))


def _request(row: list[Any], unpacked: Unpacked) -> InferRequest:
    name, version, request_id, correlation, flags, timeout_us, parameters, outputs, _, tensors = row
    step = None
    if correlation or flags:
        step = SequenceStep(correlation, bool(flags & SEQUENCE_START), bool(flags & SEQUENCE_END))
    made = {one[0]: Tensor(one[0], one[1], unpacked.array(one)) for one in tensors}
    return InferRequest(
        str(name),
        str(version),
        str(request_id),
        made,
        tuple(RequestedOutput(str(output)) for output in outputs),
        dict(parameters or {}),
        timeout_us=int(timeout_us),
        sequence=step,
    )


def _is_long(answer: Answer) -> bool:
    """Whether it takes long to write an answer."""
    return isinstance(answer, InferResponse) and sum(_weight(tensor) for tensor in answer.outputs) > SHORT_BYTES


def _weight(tensor: Tensor) -> int:
    """About how many bytes can be copied while a tensor is written; strings are written one by one."""
    if tensor.datatype != "BYTES":
        return tensor.data.nbytes
    least = tensor.data.size * STRING_BYTES
    return least if least > SHORT_BYTES else least + sum(map(len, tensor.data.ravel().tolist()))


def _row(packed: Packed, answer: Answer) -> list[Any] | None:
    """Write an answer for a worker; None: it is only the end."""
    if isinstance(answer, NaiadError):
        code = next((code for kind, code in CODES if isinstance(answer, kind)), 1)
        return [[code, answer.message, ""], None, []]
    assert isinstance(answer, InferResponse)
    if answer.is_empty:
        return None
    return [
        None,
        answer.parameters or None,
        [packed.add(tensor.name, tensor.datatype, tensor.data) for tensor in answer.outputs],
    ]
