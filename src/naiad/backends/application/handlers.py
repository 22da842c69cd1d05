"""The handlers of the application as the scheduler sees them: one instance that has all workers."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from functools import partial

from naiad.backends.application import wire
from naiad.backends.python.process import WorkerProcess
from naiad.backends.python.supervised import HUNG, ended
from naiad.backends.python.supervisor import Supervisor, close_all
from naiad.backends.python.worker.tensors import Packed
from naiad.core.clock import monotonic
from naiad.core.contracts import Batch, Send
from naiad.core.errors import ModelFailed, NaiadError
from naiad.core.user_code.application import Part, WebRequest

_CUT = "the application failed in the middle of its response"


class _Open:
    """A request under way."""

    def __init__(self, worker: WorkerProcess, batch: Batch[WebRequest], send: Send) -> None:
        self.worker = worker
        self.batch = batch
        self.send = send
        self.heard_s = monotonic()


class HandlersInstance:
    """Gives each request to the worker that has fewest, and passes on the parts of its response."""

    def __init__(self, supervisors: Sequence[Supervisor], capacity: int) -> None:
        """capacity: requests under way in all workers together."""
        self.capacity = capacity
        self._supervisors = supervisors
        self._open: dict[int, _Open] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._loads = dict.fromkeys(range(len(supervisors)), 0)
        """Requests that are with each worker."""

    def execute(self, batch: Batch[WebRequest], send: Send) -> None:
        """Have one request answered. Raises NotReady where there is no worker, ModelFailed where it has ended."""
        (request,) = batch.items
        index = self._choose()
        supervisor = self._supervisors[index]
        try:
            worker = supervisor.worker()
        except NaiadError:
            self._release(index)
            raise
        number = next(self._numbers)

        def give(_: int, result: object, is_final: bool) -> bool:
            if is_final:
                self._release(index)
            return send(0, result, is_final)

        self._open[number] = _Open(worker, batch, give)
        request.taken = lambda size: worker.write(wire.TAKEN, lambda _: {"k": number, "n": size})
        packed = Packed(worker.owned)
        header = {"k": number, "w": _row(request), "t": wire.pack_data(packed, request.body)}
        request.body = b""
        batch.input_ready_s = monotonic()
        try:
            packed.send(worker.run, wire.REQUEST, header)
        except OSError:
            worker.wait_gone()
        batch.on_withdraw = partial(self._leave, worker, number)
        for one in batch.withdrawn_items():
            self._leave(worker, number, one)
        if worker.gone.is_set():  # perhaps before anybody knew of this request
            self.gone(worker)

    def take(self, worker: WorkerProcess, message: wire.Message) -> None:
        """Take a part of a response; on the worker's listening thread. Raises Garbled."""
        header = message.header
        unpacked = worker.unpack_side(message)
        number, is_last = header["k"], bool(header["f"])
        opened = self._open.get(number)
        if opened is None:
            if not is_last:
                self._leave(worker, number, 0)
            return
        opened.heard_s = monotonic()
        if is_last:
            del self._open[number]
            opened.batch.output_ready_s = opened.heard_s
        if header.get("cut"):
            opened.send(0, ModelFailed(_CUT), True)
            return
        headers = [(str(name), str(value)) for name, value in header.get("h", ())]
        part = Part(wire.data_of(unpacked, header["t"]), is_last, int(header.get("s", 0)), headers)
        if is_last:
            for supervisor in self._supervisors:
                if supervisor.order.name == worker.name:
                    supervisor.answered()
        if not opened.send(0, part, is_last) and not is_last:
            self._leave(worker, number, 0)

    def gone(self, worker: WorkerProcess) -> None:
        """End what a worker can no longer answer."""
        for number, opened in list(self._open.items()):
            if opened.worker is worker and self._open.pop(number, None) is not None:
                opened.send(0, ended(worker.name, worker), True)

    def look(self, worker: WorkerProcess, hang_s: float) -> None:
        """End a worker that has said nothing of a request for too long."""
        limit_s = monotonic() - hang_s
        if any(one.worker is worker and one.heard_s < limit_s for one in list(self._open.values())):
            worker.kill(HUNG)

    def interrupt(self) -> None:
        """End everything that is under way; from any thread."""
        for supervisor in self._supervisors:
            supervisor.interrupt()
            if self._open:
                supervisor.kill("the application was unloaded")

    def close(self) -> None:
        """Let the application end, in all workers side by side."""
        close_all(self._supervisors)

    def _choose(self) -> int:
        """Take the worker with fewest requests, of those that run if any does."""
        with self._lock:
            up = [index for index, one in enumerate(self._supervisors) if one.is_up] or list(self._loads)
            index = min(up, key=lambda one: self._loads[one])
            self._loads[index] += 1
            return index

    def _release(self, index: int) -> None:
        with self._lock:
            self._loads[index] -= 1

    def _leave(self, worker: WorkerProcess, number: int, _: int) -> None:
        worker.write(wire.LEFT, lambda _: {"k": number})


def _row(request: WebRequest) -> list[object]:
    return [
        request.method,
        request.target,
        request.scheme,
        request.client,
        request.server,
        request.is_old,
        request.headers,
    ]
