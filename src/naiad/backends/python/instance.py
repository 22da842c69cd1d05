"""An instance that gives one answer to each request: a batch goes to its worker, which replies when it has run.

Short batches are posted from the event loop, which reads the replies, too. Long ones, and those for which no worker is
up, are executed: the thread that does so waits.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
from collections.abc import Callable, Sequence
from functools import partial

from naiad.backends.python.answers import Answers
from naiad.backends.python.calls import Calls
from naiad.backends.python.orders import Orders
from naiad.backends.python.process import WorkerProcess
from naiad.backends.python.supervised import HUNG, Supervised, ended, withdraw
from naiad.backends.python.supervisor import Supervisor
from naiad.backends.python.worker import wire
from naiad.backends.python.worker.forms import read_reply, write_order
from naiad.backends.python.worker.tensors import Packed, Unpacked
from naiad.core.contracts import Batch
from naiad.core.errors import NaiadError
from naiad.core.message import Answer, InferRequest

ATTEMPTS = 3
"""Of giving a batch to a worker: what never reached one can go to the next."""

MOST_POSTED_BYTES = 4 * 1024 * 1024
"""Of large tensors in a batch that the loop copies into shared memory: a millisecond."""

NONSENSE = "it sent something that makes no sense"

Done = Callable[[Sequence[Answer]], None]


class _Posted:
    """A batch that the loop has sent to a worker."""

    __slots__ = ("batch", "done", "timer", "worker")

    def __init__(self, worker: WorkerProcess, batch: Batch[InferRequest], done: Done) -> None:
        self.worker = worker
        self.batch = batch
        self.done = done
        self.timer: asyncio.TimerHandle | None = None


class PythonInstance(Supervised):
    """One worker. Errors of a whole batch are the answer to each of its requests: no request is run twice."""

    def __init__(self, supervisor: Supervisor, orders: Orders, answers: Answers, calls: Calls) -> None:
        super().__init__(supervisor)
        self._calls = calls
        self._orders = orders
        self._answers = answers
        self._hang_s = supervisor.order.hang_s
        self._numbers = itertools.count(1)
        self._executing = False
        self._posted: _Posted | None = None
        self._read: WorkerProcess | None = None
        """The worker whose replies the loop reads."""

    @property
    def is_running(self) -> bool:
        """See `Supervised`."""
        return self._executing or self._posted is not None

    def post(self, batch: Batch[InferRequest], done: Done) -> bool:
        """See `Posts`."""
        worker = self._supervisor.worker_nowait
        if worker is not None and self._orders.are_short(batch.items) and self._reads(worker):
            try:
                is_sent = self._send(worker, batch, MOST_POSTED_BYTES)
            except (OSError, NaiadError):  # what is wrong, `execute` finds, too
                is_sent = False
            if is_sent:
                posted = self._posted = _Posted(worker, batch, done)
                if self._hang_s:
                    posted.timer = asyncio.get_running_loop().call_later(self._hang_s, worker.kill, HUNG)
                return True
        self._read_no_more()
        return False

    def execute(self, batch: Batch[InferRequest]) -> Sequence[Answer]:
        """Run a batch. Raises NotReady where there is no worker, ModelFailed for an input that cannot be reshaped."""
        items = batch.items
        self._executing = True
        try:
            worker = self._begin(batch)
        except NaiadError as error:
            self._executing = False
            return [error.with_traceback(None)] * len(items)
        try:
            worker.run.connection.settimeout(self._hang_s or None)
            while (message := worker.run.receive()) is not None and message.kind == wire.FORM:
                worker.forms.learn(message.header)
            worker.run.connection.settimeout(None)
            if message is not None:
                return self._answered(message, worker, batch)
        except TimeoutError:
            worker.kill(HUNG)
        except wire.Garbled:
            worker.kill(NONSENSE)
        except OSError:  # it is gone, or has closed its end
            pass
        finally:
            self._executing = False
            self._ended(batch)
        return self._failed(worker, batch)

    def _reads(self, worker: WorkerProcess) -> bool:
        """Have the loop read a worker's replies; False: it is ending."""
        if worker is not self._read:
            self._read_no_more()
            descriptor, call = worker.run.connection.fileno(), partial(self._readable, worker)
            if not worker.readers.add(descriptor, call, partial(self._closed, worker)):
                return False
            self._read = worker
            worker.read_on_loop()
        return True

    def _read_no_more(self) -> None:
        if self._read is not None:
            self._read.readers.remove(self._read.run.connection.fileno())
            self._read = None

    def _begin(self, batch: Batch[InferRequest]) -> WorkerProcess:
        """Give a worker a batch; one that has ended unnoticed is not asked again. Raises NaiadError."""
        for _ in range(ATTEMPTS):
            worker = self._supervisor.worker()
            try:
                self._send(worker, batch)
            except OSError:
                worker.wait_gone()
            else:
                return worker
        raise ended(self._name, worker)

    def _send(self, worker: WorkerProcess, batch: Batch[InferRequest], most_bytes: float = math.inf) -> bool:
        """Send a batch; False: more than so many bytes would have to be copied. Raises OSError, NaiadError."""
        number = next(self._numbers)
        formed = self._orders.formed(worker.written, worker.run, batch.items)
        if formed is not None:
            forms, ids, pieces = formed
            worker.run.send(wire.EXECUTE_FORMED, write_order(number, forms, ids), pieces)
        else:
            packed = Packed(worker.owned)
            rows = self._orders.rows(packed, batch.items)
            if packed.large_bytes > most_bytes:
                return False
            packed.send(worker.run, wire.EXECUTE, {"b": number, "r": rows})
        batch.on_withdraw = partial(self._withdraw, worker, number, batch)
        for index in batch.withdrawn_items():
            batch.on_withdraw(index)
        return True

    def _withdraw(self, worker: WorkerProcess, number: int, batch: Batch[InferRequest], index: int) -> None:
        """Tell the worker; when nobody waits for the batch any more, nobody waits for what it asks of other models."""
        withdraw(worker, number, index)
        if len(batch.withdrawn_items()) == len(batch.items):
            self._calls.withdraw_all(worker)

    def _readable(self, worker: WorkerProcess) -> None:
        """Take a reply, on the loop."""
        posted = self._posted
        if posted is None or posted.worker is not worker:
            self._unasked(worker)
            return
        try:
            message = worker.run.receive(wire.RECEIVE_NOWAIT)
            if message is not None and message.kind == wire.FORM:
                worker.forms.learn(message.header)
                return
            if message is not None and not self._answers.are_long(message):
                self._finish(posted, self._answered(message, worker, posted.batch))
                return
        except wire.Garbled:
            worker.kill(NONSENSE)
            message = None
        except OSError:  # it is gone
            message = None
        self._read_no_more()
        asyncio.get_running_loop().run_in_executor(None, self._finish_long, posted, message)

    def _unasked(self, worker: WorkerProcess) -> None:
        """Take what comes without an order: the end of the worker, as a rule; on the loop."""
        self._read_no_more()
        try:
            message = worker.run.receive(wire.RECEIVE_NOWAIT)
        except wire.Garbled:
            worker.kill(NONSENSE)
        except OSError:  # it is gone
            pass
        else:
            if message is None:
                asyncio.get_running_loop().run_in_executor(None, worker.end)
            else:
                for one in message.descriptors:
                    os.close(one)
                worker.kill(NONSENSE)

    def _closed(self, worker: WorkerProcess) -> None:
        """Take the last reply of a worker that has ended, or none; on the loop."""
        if self._read is worker:
            self._read = None
        if self._posted is not None and self._posted.worker is worker:
            self._readable(worker)

    def _finish_long(self, posted: _Posted, message: wire.Message | None) -> None:
        """Read a long reply, or wait for the end of the worker; beside the loop."""
        worker, batch, answers = posted.worker, posted.batch, None
        if message is not None:
            try:
                answers = self._answered(message, worker, batch)
            except wire.Garbled:
                worker.kill(NONSENSE)
        if answers is None:
            answers = self._failed(worker, batch)
        if worker.readers.loop is not None:
            worker.readers.loop.call_soon_threadsafe(self._finish, posted, answers)

    def _finish(self, posted: _Posted, answers: Sequence[Answer]) -> None:
        if posted.timer is not None:
            posted.timer.cancel()
        self._posted = None
        self._ended(posted.batch)
        posted.done(answers)

    def _ended(self, batch: Batch[InferRequest]) -> None:
        batch.on_withdraw = None
        self._orders.done(batch.items)

    def _failed(self, worker: WorkerProcess, batch: Batch[InferRequest]) -> Sequence[Answer]:
        batch.failure = ended(self._name, worker)
        return [batch.failure] * len(batch.items)

    def _answered(self, message: wire.Message, worker: WorkerProcess, batch: Batch[InferRequest]) -> Sequence[Answer]:
        """Read a reply. Raises Garbled."""
        if message.kind == wire.DONE_FORMED:
            return self._formed(message, worker, batch)
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

    def _formed(self, message: wire.Message, worker: WorkerProcess, batch: Batch[InferRequest]) -> Sequence[Answer]:
        """Read a reply in forms. Raises Garbled."""
        batch.input_ready_s, batch.output_ready_s, forms = read_reply(message.header, worker.forms)
        if len(forms) != len(batch.items):
            raise wire.Garbled(f"{len(forms)} answers to {len(batch.items)} requests")
        self._supervisor.answered()
        read, frame, at, answers = self._answers.formed, message.frame, message.tail, []
        for form, item in zip(forms, batch.items, strict=True):
            answers.append(read(form, item, frame, at))
            at += form.size
        return answers
