"""An instance that gives one answer to each request: a batch goes to its worker, which replies when it has run."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial

from naiad.backends.python.answers import Answers
from naiad.backends.python.calls import Calls
from naiad.backends.python.orders import Orders
from naiad.backends.python.process import WorkerProcess
from naiad.backends.python.supervisor import Supervisor
from naiad.backends.python.worker import wire
from naiad.backends.python.worker.tensors import Packed, Unpacked
from naiad.core.contracts import Batch
from naiad.core.errors import ModelFailed, NaiadError
from naiad.core.message import Answer, InferRequest

ATTEMPTS = 3
"""Of giving a batch to a worker: what never reached one can go to the next."""

HUNG = "it took longer than --model-hang-timeout allows"


class PythonInstance:
    """One worker. Errors of a whole batch are the answer to each of its requests: no request is run twice."""

    def __init__(self, supervisor: Supervisor, orders: Orders, answers: Answers, calls: Calls) -> None:
        self._supervisor = supervisor
        self._calls = calls
        self._orders = orders
        self._answers = answers
        self._name = supervisor.order.name
        self._numbers = itertools.count(1)
        self._is_running = False

    def execute(self, batch: Batch[InferRequest]) -> Sequence[Answer]:
        """Run a batch. Raises NotReady where there is no worker, ModelFailed for an input that cannot be reshaped."""
        items = batch.items
        self._is_running = True
        try:
            worker = self._send(batch)
        except NaiadError as error:
            self._is_running = False
            return [error.with_traceback(None)] * len(items)
        try:
            message = worker.run.receive()
            if message is not None:
                return self._read(message, worker, batch)
        except TimeoutError:
            worker.kill(HUNG)
        except wire.Garbled:
            worker.kill("it sent something that makes no sense")
        except OSError:  # it is gone, or has closed its end
            pass
        finally:
            self._is_running = False
            self._orders.done(items)
        batch.failure = ended(self._name, worker)
        return [batch.failure] * len(items)

    def interrupt(self) -> None:
        """End a run that is under way; from any thread."""
        self._supervisor.interrupt()
        if self._is_running:
            self._supervisor.kill("the model was unloaded")

    def close(self) -> None:
        """Finalise the model and end its worker."""
        self._supervisor.close()

    def _send(self, batch: Batch[InferRequest]) -> WorkerProcess:
        """Give a worker a batch; one that has ended unnoticed is not asked again. Raises NaiadError."""
        for _ in range(ATTEMPTS):
            worker = self._supervisor.worker()
            packed = Packed(worker.owned)
            rows = self._orders.rows(packed, batch.items)
            number = next(self._numbers)
            try:
                packed.send(worker.run, wire.EXECUTE, {"b": number, "r": rows})
            except OSError:
                worker.wait_gone()
                continue
            batch.on_withdraw = partial(self._withdraw, worker, number, set(range(len(batch.items))))
            for index in batch.withdrawn_items():
                batch.on_withdraw(index)
            return worker
        raise ended(self._name, worker)

    def _withdraw(self, worker: WorkerProcess, number: int, wanted: set[int], index: int) -> None:
        """Tell the worker; when nobody waits for the batch any more, nobody waits for what it asks of other models."""
        wanted.discard(index)
        if self._is_running:
            withdraw(worker, number, index)
            if not wanted:
                self._calls.withdraw_all(worker)

    def _read(self, message: wire.Message, worker: WorkerProcess, batch: Batch[InferRequest]) -> Sequence[Answer]:
        unpacked = Unpacked(message, worker.mapped)
        header, items = message.header, batch.items
        try:
            rows, (began_s, ended_s) = header["a"], header["t"]
            if len(rows) != len(items):
                raise wire.Garbled(f"{len(rows)} answers to {len(items)} requests")
            batch.input_ready_s, batch.output_ready_s = float(began_s), float(ended_s)
        except (KeyError, ValueError, TypeError) as error:
            raise wire.Garbled(f"a reply makes no sense: {error}") from error
        self._supervisor.answered()
        read, name = self._answers.read, self._name
        return [read(row, item, unpacked, name) for row, item in zip(rows, items, strict=True)]


def withdraw(worker: WorkerProcess, number: int, index: int) -> None:
    """Tell a worker that nobody waits for a request of a batch any more."""
    worker.write(wire.WITHDRAWN, lambda _: {"b": number, "i": index})


def ended(name: str, worker: WorkerProcess) -> ModelFailed:
    """Return the error for a request that was with a worker when it ended."""
    why = worker.wait_gone()
    return ModelFailed(
        f"the worker process of instance '{name}' ended while it ran this request: {why}; another one is started",
        instance=name,
    )
