"""Functions marked with `naiad.batched`: their calls go to the server, which joins those of all workers; batches come.

What crosses is pickled here and unpickled in a worker of the same application; the server only passes it on.
"""

from __future__ import annotations

import asyncio
import itertools
import pickle
import threading
import time
import traceback
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

from naiad.backends.application import wire
from naiad.backends.application.worker.link import Link
from naiad.backends.python.worker.tensors import Unpacked
from naiad.core import errors
from naiad.core.machine.daemon_threads import DaemonThreads
from naiad.core.user_code.batched import Batched
from naiad.core.user_code.joined_calls import BoundCall, Outcome, run_joined

RunCoroutine = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs a coroutine to its end, where the application's other coroutines run."""


class Joining:
    """A `naiad.core.user_code.batched.Runtime`, and the runner of batches."""

    def __init__(self, link: Link, functions: list[Batched], run_coroutine: RunCoroutine) -> None:
        self._link = link
        self._functions = functions
        self._run_coroutine = run_coroutine
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()
        self._threads = DaemonThreads(max(1, len(functions)), "batch")

    def call(self, function: Batched, call: BoundCall) -> Any:
        """See `Runtime`."""
        number, future = self._send(function, call)
        try:
            return future.result()
        finally:
            self._forget(number)

    async def acall(self, function: Batched, call: BoundCall) -> Any:
        """See `Runtime`."""
        number, future = self._send(function, call)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self._link.send(wire.UNWANTED, {"c": number})
            raise
        finally:
            self._forget(number)

    def _send(self, function: Batched, call: BoundCall) -> tuple[int, Future[Any]]:
        arguments = pickle.dumps(call, protocol=5)
        future: Future[Any] = Future()
        with self._lock:
            number = next(self._numbers)
            self._waiting[number] = future
        packed = self._link.packed()
        header = {"c": number, "fn": self._functions.index(function), "r": call.rows, "g": call.group}
        header["t"] = wire.pack_data(packed, arguments)
        self._link.send(wire.CALL, header, packed)
        return number, future

    def _forget(self, number: int) -> None:
        with self._lock:
            self._waiting.pop(number, None)

    def take_result(self, header: dict[str, Any], unpacked: Unpacked) -> None:
        """Give a call its outcome; on the thread that receives."""
        with self._lock:
            future = self._waiting.get(header["c"])
        if future is None or not future.set_running_or_notify_cancel():
            return
        if header["e"] is not None:
            kind, message = header["e"]
            future.set_exception(getattr(errors, kind, errors.Failed)(message))
            return
        try:
            result, error = pickle.loads(wire.data_of(unpacked, header["t"]))  # noqa: S301 - our own, see above
        except Exception as wrong:  # noqa: BLE001 - what is unpickled may raise anything
            result, error = None, wrong
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def take_batch(self, header: dict[str, Any], unpacked: Unpacked) -> None:
        """Run a batch, in a thread of its own."""
        calls = [wire.data_of(unpacked, row) for row in header["c"]]
        self._threads.submit(self._run, header["k"], self._functions[header["fn"]], calls)

    def _run(self, number: int, function: Batched, packed_calls: list[bytes]) -> None:
        began_s = time.perf_counter()
        try:
            calls = [pickle.loads(one) for one in packed_calls]  # noqa: S301 - see above
            outcomes = run_joined(function.name, lambda arguments: self._result(function, arguments), calls)
        except BaseException as error:  # noqa: BLE001 - what is unpickled may raise anything
            outcomes = [(None, error)] * len(packed_calls)
        ended_s = time.perf_counter()
        packed = self._link.packed()
        rows = [wire.pack_data(packed, _dumps(function.name, one)) for one in outcomes]
        self._link.send(wire.OUTCOMES, {"k": number, "c": rows, "b": began_s, "e": ended_s}, packed)

    def _result(self, function: Batched, arguments: dict[str, Any]) -> Any:
        made = function.run(arguments)
        return self._run_coroutine(made) if function.is_async else made


def _dumps(name: str, outcome: Outcome) -> bytes:
    """Pickle an outcome; what cannot be, or could not be read again, becomes an error that says so."""
    result, error = outcome
    if error is None:
        try:
            return pickle.dumps((result, None), protocol=5)
        except Exception as wrong:  # noqa: BLE001 - the user's own classes may raise anything
            error = TypeError(f"{name} returned what cannot go to another process: {wrong}")
    if error.__traceback__ is not None:
        error.add_note("Where it was raised, in the process that ran the batch:\n" + _shown(error))
    try:
        data = pickle.dumps((None, error), protocol=5)
        pickle.loads(data)  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - see above
        plain = RuntimeError(f"{type(error).__name__}: {error}")
        plain.__notes__ = list(getattr(error, "__notes__", ()))
        return pickle.dumps((None, plain), protocol=5)
    return data


def _shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()
