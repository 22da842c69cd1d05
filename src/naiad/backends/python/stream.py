"""An instance whose answers come as the model gives them: a decoupled model, or one whose `execute` is a coroutine.

Orders go to the worker one at a time, unless they are coroutines, which run there side by side; answers of any number
of batches come meanwhile.
"""

from __future__ import annotations

import itertools
import threading
from functools import partial

from naiad.backends.python.answers import Answers
from naiad.backends.python.orders import Orders
from naiad.backends.python.process import WorkerProcess
from naiad.backends.python.supervised import HUNG, Supervised, ended, withdraw
from naiad.backends.python.supervisor import Supervisor
from naiad.backends.python.worker import wire
from naiad.backends.python.worker.tensors import Packed
from naiad.core.clock import monotonic
from naiad.core.contracts import Batch, Send
from naiad.core.errors import NaiadError
from naiad.core.message import InferRequest

CAPACITY = 64
"""Batches that an instance whose `execute` is a coroutine has under way, where nothing is said."""


class _Open:
    """A batch under way."""

    def __init__(self, worker: WorkerProcess, batch: Batch[InferRequest], send: Send) -> None:
        self.worker = worker
        self.batch = batch
        self.send = send
        self.sent = [0] * len(batch.items)
        """Answers that are not the last, by request."""
        self.held_back = 0
        """Answers that have not been taken up: meanwhile the worker may wait, and say nothing."""
        self.left = set(range(len(batch.items)))
        """Requests that have not had their last answer."""
        self.returned = threading.Event()
        self.heard_s = monotonic()


class PythonStream(Supervised):
    """One worker that streams."""

    paces_itself = True
    """The model's code is held back in the worker."""

    def __init__(
        self,
        supervisor: Supervisor,
        orders: Orders,
        answers: Answers,
        *,
        is_async: bool,
        capacity: int = CAPACITY,
    ) -> None:
        super().__init__(supervisor)
        self.capacity = capacity if is_async else 1
        self.is_free_when_returned = not is_async
        """As in Triton: the next batch is formed when `execute` has returned, though answers may still come."""
        self._orders = orders
        self._answers = answers
        self._is_async = is_async
        self._numbers = itertools.count(1)
        self._open: dict[int, _Open] = {}
        self._turn = threading.Lock()
        """Held by who gives an order, until `execute` has returned in the worker."""

    @property
    def is_running(self) -> bool:
        """See `Supervised`."""
        return bool(self._open)

    def execute(self, batch: Batch[InferRequest], send: Send) -> None:
        """Have a batch run. Raises NotReady where there is no worker, ModelFailed where it has ended."""
        with self._turn:
            worker = self._supervisor.worker()
            packed = Packed(worker.owned)
            rows = self._orders.rows(packed, batch.items)
            number = next(self._numbers)
            opened = self._open[number] = _Open(worker, batch, send)
            batch.input_ready_s = monotonic()
            try:
                packed.send(worker.run, wire.EXECUTE, {"b": number, "r": rows, **_held_back(batch)})
            except OSError:
                worker.wait_gone()
            batch.on_withdraw = partial(withdraw, worker, number)
            for index in batch.withdrawn_items():
                withdraw(worker, number, index)
            if worker.gone.is_set():  # before anybody knew of this batch
                self.gone(worker)
            if not self._is_async:
                opened.returned.wait()

    def take(self, worker: WorkerProcess, message: wire.Message) -> None:
        """Take an answer, or the news that `execute` has returned; on the worker's listening thread. Raises Garbled."""
        header = message.header
        unpacked = worker.unpack_side(message)
        try:
            opened = self._open.get(header["b"])
            if opened is None:
                return
            opened.heard_s = monotonic()
            if message.kind == wire.ENDED:
                opened.batch.output_ready_s = opened.heard_s
                if header["e"]:
                    self._answers.error(header["e"], self._name)
                else:
                    self._supervisor.answered()
                opened.returned.set()
            else:
                index, row, is_final = header["i"], header["a"], bool(header["f"])
                request = opened.batch.items[index]
                answer = None if row is None else self._answers.read(row, request, unpacked, self._name)
                if answer is not None or is_final:
                    opened.send(index, answer, is_final)
                    if not is_final and request.flow is not None:
                        opened.sent[index] += 1
                        opened.held_back += 1
                        told = {"b": header["b"], "i": index, "n": opened.sent[index]}
                        request.flow.when(opened.sent[index], partial(self._taken, opened, told))
                if is_final:
                    opened.left.discard(index)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise wire.Garbled(f"a message makes no sense: {error}") from error
        if not opened.left and opened.returned.is_set():
            self._open.pop(header["b"], None)
            self._orders.done(opened.batch.items)

    def _taken(self, opened: _Open, told: dict[str, int]) -> None:
        """Tell the worker that an answer has been taken up."""
        opened.held_back -= 1
        opened.heard_s = monotonic()
        opened.worker.write(wire.TAKEN, lambda _: told)

    def gone(self, worker: WorkerProcess) -> None:
        """End what a worker can no longer answer."""
        for number, opened in list(self._open.items()):
            if opened.worker is worker:
                self._fail(number, opened, ended(self._name, worker))

    def look(self, worker: WorkerProcess) -> None:
        """End a worker that has said nothing of a batch for too long."""
        limit_s = monotonic() - self._supervisor.order.hang_s
        if any(
            opened.worker is worker and opened.heard_s < limit_s and not opened.held_back
            for opened in list(self._open.values())
        ):
            worker.kill(HUNG)

    def _fail(self, number: int, opened: _Open, error: NaiadError) -> None:
        self._open.pop(number, None)
        self._orders.done(opened.batch.items)
        opened.batch.failure = error
        for index in sorted(opened.left):
            opened.send(index, error, True)
        opened.left.clear()
        opened.returned.set()


def _held_back(batch: Batch[InferRequest]) -> dict[str, list[int]]:
    """What an order says of requests whose answers are held back; nothing, as nearly always."""
    numbers = [number for number, request in enumerate(batch.items) if request.flow is not None]
    return {"p": numbers} if numbers else {}
