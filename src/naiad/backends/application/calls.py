"""Calls of marked functions that handlers make, on their way to the schedulers and, with their outcomes, back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from naiad.backends.application import wire
from naiad.backends.python.process import WorkerProcess
from naiad.backends.python.worker.tensors import Packed
from naiad.core.application import Call
from naiad.core.errors import NaiadError, NotReady
from naiad.core.message import Answer, InferRequest
from naiad.core.model_host import ModelHost

_Key = tuple[int, int]


class Calls:
    """Those of one application; numbers are those that its workers give, each beside the worker's process."""

    def __init__(self, host: ModelHost | None, name: str) -> None:
        self.models: list[str] = []
        """What the functions are served as, in their order."""
        self._name = name
        self._host = host
        self._withdraw: dict[_Key, Callable[[], None]] = {}
        self._lock = threading.Lock()

    def take(self, worker: WorkerProcess, message: wire.Message) -> None:
        """Send a call on its way; on the worker's listening thread. Raises Garbled."""
        header = message.header
        arguments = wire.data_of(worker.unpack_side(message), header["t"])
        work = Call(max(1, int(header["r"])), str(header["g"]), arguments)
        under_way = _UnderWay(self, worker, header["c"], work)
        if self._host is None:
            under_way.deliver(NotReady(f"there is no server that could join calls of '{self._name}'"), True)
            return
        request = InferRequest(self.models[header["fn"]], work=work)
        with self._lock:
            key = (worker.pid, header["c"])
            self._withdraw[key] = self._host.infer(request, under_way.deliver, None, takes_one=True)
        if under_way.is_over:
            self.forget(worker, header["c"])

    def let_go(self, worker: WorkerProcess, message: wire.Message) -> None:
        """Withdraw a call whose outcome nobody wants any more."""
        with self._lock:
            withdraw = self._withdraw.pop((worker.pid, message.header["c"]), None)
        if withdraw is not None:
            withdraw()

    def withdraw_all(self, worker: WorkerProcess) -> None:
        """Withdraw everything that a worker waits for: it is gone."""
        with self._lock:
            found = [self._withdraw.pop(key) for key in list(self._withdraw) if key[0] == worker.pid]
        for withdraw in found:
            withdraw()

    def forget(self, worker: WorkerProcess, number: int) -> None:
        """Note that a call has its outcome."""
        with self._lock:
            self._withdraw.pop((worker.pid, number), None)


class _UnderWay:
    """One call."""

    def __init__(self, calls: Calls, worker: WorkerProcess, number: int, call: Call) -> None:
        self._calls = calls
        self._worker = worker
        self._number = number
        self._call = call
        self.is_over = False

    def deliver(self, answer: Answer, is_final: bool) -> None:
        """Give the outcome back; called once, on the event loop's thread."""
        del is_final
        number, call = self._number, self._call

        def make(packed: Packed) -> dict[str, Any]:
            if isinstance(answer, NaiadError):
                return {"c": number, "t": None, "e": [type(answer).__name__, answer.message]}
            return {"c": number, "t": wire.pack_data(packed, call.outcome), "e": None}

        self._worker.write(wire.RESULT, make)
        self.is_over = True
        self._calls.forget(self._worker, number)
