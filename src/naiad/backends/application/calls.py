"""Calls of marked functions that handlers make, on their way to the schedulers and, with their outcomes, back."""

from __future__ import annotations

from typing import Any

from naiad.backends.application import wire
from naiad.backends.python.process import WorkerProcess
from naiad.backends.python.withdrawals import Withdrawals
from naiad.backends.python.worker.tensors import Packed
from naiad.core.errors import NaiadError, NotReady
from naiad.core.message import Answer, InferRequest
from naiad.core.model.host import ModelHost
from naiad.core.user_code.application import Call


class Calls:
    """Those of one application."""

    def __init__(self, host: ModelHost | None, name: str) -> None:
        self.models: list[str] = []
        """What the functions are served as, in their order."""
        self._name = name
        self._host = host
        self._withdrawals = Withdrawals()

    def take(self, worker: WorkerProcess, message: wire.Message) -> None:
        """Send a call on its way; on the worker's listening thread. Raises Garbled."""
        header = message.header
        arguments = wire.data_of(worker.unpack_side(message), header["t"])
        work = Call(max(1, int(header["r"])), str(header["g"]), arguments)
        under_way = _UnderWay(self._withdrawals, worker, header["c"], work)
        if self._host is None:
            under_way.deliver(NotReady(f"there is no server that could join calls of '{self._name}'"), True)
            return
        request = InferRequest(self.models[header["fn"]], work=work)
        self._withdrawals.keep(under_way, self._host.infer(request, under_way.deliver, None, takes_one=True))

    def let_go(self, worker: WorkerProcess, message: wire.Message) -> None:
        """Withdraw a call whose outcome nobody wants any more."""
        self._withdrawals.let_go(worker, message.header["c"])

    def withdraw_all(self, worker: WorkerProcess) -> None:
        """Withdraw everything that a worker waits for: it is gone."""
        self._withdrawals.withdraw_all(worker)


class _UnderWay:
    """One call."""

    def __init__(self, withdrawals: Withdrawals, worker: WorkerProcess, number: int, call: Call) -> None:
        self._withdrawals = withdrawals
        self.worker = worker
        self.number = number
        self._call = call
        self.is_over = False

    def deliver(self, answer: Answer, is_final: bool) -> None:
        """Give the outcome back; called once, on the event loop's thread."""
        del is_final
        number, call = self.number, self._call

        def make(packed: Packed) -> dict[str, Any]:
            if isinstance(answer, NaiadError):
                return {"c": number, "t": None, "e": [type(answer).__name__, answer.message]}
            return {"c": number, "t": wire.pack_data(packed, call.outcome), "e": None}

        self.worker.write(wire.RESULT, make)
        self._withdrawals.end(self)
