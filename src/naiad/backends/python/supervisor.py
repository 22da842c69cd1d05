"""Keeps the worker of one instance alive: starts it, and again when it has ended, ever more slowly if it must.

A worker that has answered anything since its start is started again at once; of those that have not, each waits longer
than the one before.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from naiad.backends.python.launching import Launch
from naiad.backends.python.process import WorkerProcess
from naiad.backends.python.traceback import logged
from naiad.backends.python.worker import wire
from naiad.core.errors import LoadFailed, NotReady

PAUSES_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Before the next start, by how many in a row have come to nothing; then always the last."""

READINESS_S = 1.0
"""Between two questions whether the model is ready."""

PATIENCE_S = 30.0
"""A batch waits so long for a worker that is being started; then it fails."""

_GIVING_UP_S = 10.0
"""What it takes by far until a worker that is being started is gone."""

_UNLOADED = "the model was unloaded"

_log = logging.getLogger("naiad.model")


class State(Enum):
    """Of an instance."""

    STARTING = "starting"
    UP = "up"
    PAUSED = "paused"
    CLOSED = "closed"


class SideEnd(Protocol):
    """Takes what comes from workers by themselves; on their listening threads."""

    says_ready: bool
    """What the model has last said of itself."""

    def handle(self, worker: WorkerProcess, message: wire.Message) -> None:
        """Take a message. Raises Garbled."""
        ...

    def gone(self, worker: WorkerProcess) -> None:
        """Hear that no more will come from that worker."""
        ...

    def look(self, worker: WorkerProcess) -> None:
        """Look whether the worker hangs."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """How a worker becomes an instance."""

    name: str
    launch: Launch
    load: dict[str, Any]
    """Header of the LOAD message."""
    side: SideEnd
    """Takes what comes by the side channel."""
    hang_s: float = 0.0
    """A reply that takes longer ends the worker; 0 = no limit."""
    end_s: float = 30.0
    """What `finalize` may take."""


def pause_s(failures: int) -> float:
    """Return how long to wait before the next start, after so many workers in a row that have answered nothing."""
    return PAUSES_S[min(failures, len(PAUSES_S) - 1)]


class Supervisor:
    """The worker of one instance, whichever it is at the moment."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.facts: dict[str, Any] = {}
        """What the model is like, as it says itself."""
        self.restarts = 0
        self._state = State.STARTING
        self._worker: WorkerProcess | None = None
        self._starting: WorkerProcess | None = None
        """One that has not loaded the model yet."""
        self._watching: set[threading.Thread] = set()
        self._failures = 0
        self._changed = threading.Condition()

    @property
    def is_up(self) -> bool:
        """Whether it can run a batch now."""
        return self.worker_nowait is not None

    @property
    def worker_nowait(self) -> WorkerProcess | None:
        """The worker, if it can run a batch now."""
        worker = self._worker
        return worker if worker is not None and self._state is State.UP and not worker.gone.is_set() else None

    def start(self) -> None:
        """Start the first worker; blocks until the model is initialised. Raises LoadFailed."""
        self._launch()

    def worker(self) -> WorkerProcess:
        """Return the worker, waiting for one that is being started. Raises NotReady where none comes soon."""
        worker = self.worker_nowait
        if worker is not None:
            return worker
        name = self.order.name
        with self._changed:
            self._changed.wait_for(lambda: self.is_up or self._state in (State.PAUSED, State.CLOSED), PATIENCE_S)
            worker = self.worker_nowait
            if worker is not None:
                return worker
            if self._state is State.CLOSED:
                raise NotReady("the model is being unloaded")
        raise NotReady(f"the worker process of instance '{name}' has ended and is being started again; try again")

    @property
    def is_ready(self) -> bool:
        """Whether it can run a batch now and the model, if it has a say, says that it is ready."""
        return self.is_up and self.order.side.says_ready

    def answered(self) -> None:
        """Note that the worker has run a batch: it is worth starting again at once."""
        self._failures = 0

    def kill(self, reason: str) -> None:
        """End the worker now; the next one is started."""
        worker = self._worker
        if worker is not None:
            worker.kill(reason)

    def interrupt(self) -> None:
        """Start no more workers, and end one that is being started; `close` follows."""
        with self._changed:
            self._state = State.CLOSED
            self._changed.notify_all()
            starting = self._starting
        if starting is not None:
            starting.kill(_UNLOADED)

    def close(self) -> None:
        """Let the model finalise, and end the worker; blocks."""
        self.interrupt()
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.readers.close()
            if not worker.gone.is_set():
                self._finalize(worker)
            worker.kill(_UNLOADED)
            worker.wait_gone()
            worker.close()
        for thread in list(self._watching):  # one may be at starting a worker, and is about to give up
            thread.join(_GIVING_UP_S)

    def _finalize(self, worker: WorkerProcess) -> None:
        worker.run.connection.settimeout(self.order.end_s)
        try:
            worker.run.send(wire.FINALIZE, {})
            message = worker.run.receive()
        except TimeoutError:
            _log.warning("%s: finalize took longer than %g s; the worker is ended", worker.name, self.order.end_s)
        except (OSError, wire.Garbled):
            return
        else:
            if message is not None and message.kind == wire.FAILED:
                _log.error("%s: finalize failed", worker.name, exc_info=logged(message.header.get("traceback")))

    def _launch(self) -> None:
        """Start a worker and have it load the model. Raises LoadFailed."""
        order = self.order
        try:
            worker = WorkerProcess(order.launch, order.name, order.side.handle)
        except OSError as error:
            raise LoadFailed(f"the worker process of instance '{order.name}' cannot be started: {error}") from error
        thread = threading.Thread(target=self._watch, args=[worker], name=f"{order.name}-worker", daemon=True)
        with self._changed:
            self._watching.add(thread)
            thread.start()
            self._starting = worker
            if self._state is State.CLOSED:
                worker.kill(_UNLOADED)
        try:
            self._enter(worker, load(worker, order.load))
        except BaseException:
            worker.kill("the model could not be loaded")
            worker.wait_gone()
            worker.close()
            raise
        finally:
            self._starting = None
            worker.settled.set()

    def _enter(self, worker: WorkerProcess, facts: dict[str, Any]) -> None:
        """Let a worker take batches. Raises LoadFailed where it may not."""
        if self.facts and facts != self.facts:
            raise LoadFailed(f"the code of instance '{worker.name}' has changed; load the model again")
        self.facts = facts
        if self.order.hang_s or facts.get("has_is_ready"):
            worker.tick(self._tick, min(READINESS_S, self.order.hang_s / 2 or READINESS_S))
        with self._changed:
            if self._state is State.CLOSED:
                raise LoadFailed("the model is being unloaded")
            self._starting = None
            self._worker = worker
            self._state = State.UP
            self._changed.notify_all()
        self._tick()

    def _tick(self) -> None:
        """Look after the worker from time to time; on its listening thread."""
        worker = self._worker
        if worker is None:
            return
        if self.order.hang_s:
            self.order.side.look(worker)
        if self.facts.get("has_is_ready"):
            worker.write(wire.ASK, lambda _: {"c": 1, "what": "is_ready", "with": {}})

    def _watch(self, worker: WorkerProcess) -> None:
        """Listen to a worker; when it has ended, start the next one, if it was in service."""
        worker.listen()
        with suppress(Exception):
            self.order.side.gone(worker)
        worker.settled.wait()  # or it could end before anybody knows that it is in service
        if self._worker is worker:
            self._restart(worker)
        self._watching.discard(threading.current_thread())

    def _restart(self, worker: WorkerProcess) -> None:
        with self._changed:
            if self._worker is not worker or self._state is State.CLOSED:
                return
            self._state = State.STARTING
            self._worker = None
        _log.error("%s: the worker process has ended: %s; starting another one", worker.name, worker.ending)
        while not self._paused():
            self.restarts += 1
            self._failures += 1
            try:
                self._launch()
            except LoadFailed as error:
                _log.error("%s: the worker process could not be started again: %s", worker.name, error.message)
            else:
                break
        worker.close()

    def _paused(self) -> bool:
        """Wait before the next start; returns whether there is to be none."""
        seconds = pause_s(self._failures)
        with self._changed:
            if self._state is State.CLOSED:
                return True
            self._state = State.PAUSED if seconds else State.STARTING
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._state is State.CLOSED, seconds)
            if self._state is State.CLOSED:
                return True
            self._state = State.STARTING
            return False


def load(worker: WorkerProcess, header: dict[str, Any], kind: int = wire.LOAD) -> dict[str, Any]:
    """Give a worker its first order and return the facts, or the configuration, of its reply. Raises LoadFailed."""
    try:
        worker.run.send(kind, header)
        message = worker.run.receive()
    except (OSError, wire.Garbled):
        message = None
    if message is None:
        why = worker.wait_gone()
        words = f" ({worker.last_words})" if worker.last_words else ""
        raise LoadFailed(f"the worker process of instance '{worker.name}' ended at the start: {why}{words}")
    if message.kind != wire.DONE:
        shown = message.header.get("traceback")
        if shown:
            _log.error("%s: the model could not be loaded", worker.name, exc_info=logged(shown))
        raise LoadFailed(str(message.header.get("error")))
    found = message.header.get("facts" if kind == wire.LOAD else "config")
    if not isinstance(found, dict):
        raise LoadFailed(f"the worker process of instance '{worker.name}' sent something that makes no sense")
    return found


def start_all(supervisors: Sequence[Supervisor]) -> None:
    """Start all, side by side. Raises what the first one that fails raises; none is left then."""
    with ThreadPoolExecutor(len(supervisors)) as threads:
        futures = [threads.submit(one.start) for one in supervisors]
    for future in futures:
        if (error := future.exception()) is not None:
            close_all(supervisors)
            raise error


def close_all(supervisors: Sequence[Supervisor]) -> None:
    """Close all, side by side."""
    with ThreadPoolExecutor(len(supervisors)) as threads:
        for future in [threads.submit(one.close) for one in supervisors]:
            future.result()
