"""A function of the application, in one worker, as the scheduler sees it: an instance that runs batches of calls."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence

from naiad.backends.application import wire
from naiad.backends.python.process import WorkerProcess
from naiad.backends.python.supervised import HUNG, ended
from naiad.backends.python.supervisor import Supervisor
from naiad.backends.python.worker.tensors import Packed
from naiad.core.clock import monotonic
from naiad.core.contracts import Batch
from naiad.core.errors import NaiadError
from naiad.core.user_code.application import Call

_numbers = itertools.count(1)


class _Waiting:
    """A batch that a worker has."""

    def __init__(self, worker: WorkerProcess) -> None:
        self.worker = worker
        self.came = threading.Event()
        self.outcomes: list[bytes] | None = None
        self.began_s = self.ended_s = 0.0
        self.since_s = monotonic()


class FunctionInstance:
    """Runs batches of calls in one worker. Errors of a whole batch are the answer to each: no call is run twice."""

    def __init__(self, supervisor: Supervisor, function: int) -> None:
        """function: its place among those of the application."""
        self._supervisor = supervisor
        self._function = function
        self._waiting: dict[int, _Waiting] = {}
        self._is_closed = False

    def execute(self, batch: Batch[Call]) -> Sequence[Call | NaiadError]:
        """Run a batch: every call comes back with its outcome. Raises NotReady where there is no worker."""
        worker = self._supervisor.worker()
        number, waiting = next(_numbers), _Waiting(worker)
        self._waiting[number] = waiting
        packed = Packed(worker.owned)
        rows = [wire.pack_data(packed, call.arguments) for call in batch.items]
        try:
            packed.send(worker.run, wire.BATCH, {"k": number, "fn": self._function, "c": rows})
        except OSError:
            worker.wait_gone()
        if worker.gone.is_set():  # perhaps before anybody knew of this batch
            waiting.came.set()
        waiting.came.wait()
        del self._waiting[number]
        if waiting.outcomes is None or len(waiting.outcomes) != len(batch.items):
            batch.failure = ended(self._supervisor.order.name, worker)
            return [batch.failure] * len(batch.items)
        self._supervisor.answered()
        batch.input_ready_s, batch.output_ready_s = waiting.began_s, waiting.ended_s
        for call, outcome in zip(batch.items, waiting.outcomes, strict=True):
            call.outcome, call.arguments = outcome, b""
        return list(batch.items)

    def take(self, worker: WorkerProcess, message: wire.Message) -> bool:
        """Take the outcomes of a batch, if it is of this instance; on the worker's listening thread. Raises Garbled."""
        header = message.header
        waiting = self._waiting.get(header.get("k", 0))
        if waiting is None:
            return False
        unpacked = worker.unpack_side(message)
        waiting.outcomes = [wire.data_of(unpacked, row) for row in header["c"]]
        waiting.began_s, waiting.ended_s = float(header["b"]), float(header["e"])
        waiting.came.set()
        return True

    def gone(self, worker: WorkerProcess) -> None:
        """End what a worker can no longer answer."""
        for waiting in list(self._waiting.values()):
            if waiting.worker is worker:
                waiting.came.set()

    def look(self, worker: WorkerProcess, hang_s: float) -> None:
        """End a worker that has a batch for too long."""
        limit_s = monotonic() - hang_s
        if any(one.worker is worker and one.since_s < limit_s for one in list(self._waiting.values())):
            worker.kill(HUNG)

    def interrupt(self) -> None:
        """End what is under way; from any thread."""
        for waiting in list(self._waiting.values()):
            waiting.worker.kill("the application was unloaded")

    def close(self) -> None:
        """Leave the worker to the application, whose it is."""
