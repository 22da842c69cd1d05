"""What comes from one instance's worker by itself, each kind of message to who knows what to do with it."""

from __future__ import annotations

import logging
from typing import Protocol

from naiad.backends.python.asking import Asking
from naiad.backends.python.calls import Calls
from naiad.backends.python.process import WorkerProcess
from naiad.backends.python.worker import wire

_LEVELS = {"INFO": logging.INFO, "WARNING": logging.WARNING, "ERROR": logging.ERROR, "VERBOSE": logging.DEBUG}

_log = logging.getLogger("naiad.model")


class Receiver(Protocol):
    """Who takes answers of streams."""

    def take(self, worker: WorkerProcess, message: wire.Message) -> None:
        """Take a message. Raises Garbled."""
        ...

    def gone(self, worker: WorkerProcess) -> None:
        """Hear that no more will come from that worker."""
        ...

    def look(self, worker: WorkerProcess) -> None:
        """Look whether the worker hangs."""
        ...


class Side:
    """One instance's; used on the listening threads of its workers, one after the other."""

    def __init__(self, calls: Calls, asking: Asking) -> None:
        self.calls = calls
        self._asking = asking
        self.says_ready = True
        """What the model's `is_ready` has last said."""
        self.stream: Receiver | None = None
        """Set once it is known that the model streams."""

    def handle(self, worker: WorkerProcess, message: wire.Message) -> None:
        """Pass a message on. Raises Garbled for one that nobody takes."""
        if message.kind in (wire.RESPONSE, wire.ENDED) and self.stream is not None:
            self.stream.take(worker, message)
        elif message.kind == wire.CALL:
            self.calls.take(worker, message)
        elif message.kind == wire.LET_GO:
            self.calls.let_go(worker, message)
        elif message.kind == wire.ASK:
            self._asking.take(worker, message)
        elif message.kind == wire.REPLY:
            self._note_readiness(worker, message)
        elif message.kind == wire.LOG:
            level = _LEVELS.get(str(message.header.get("level")), logging.INFO)
            _log.log(level, "%s: %s", worker.name, message.header.get("text"))
        else:
            raise wire.Garbled(f"there is no message of kind {message.kind}")

    def gone(self, worker: WorkerProcess) -> None:
        """See Receiver."""
        self.calls.withdraw_all(worker)
        self._asking.gone(worker)
        if self.stream is not None:
            self.stream.gone(worker)

    def look(self, worker: WorkerProcess) -> None:
        """See Receiver."""
        if self.stream is not None:
            self.stream.look(worker)

    def _note_readiness(self, worker: WorkerProcess, message: wire.Message) -> None:
        error = message.header.get("e")
        if error and self.says_ready:
            _log.error("%s: is_ready failed: %s", worker.name, error)
        self.says_ready = not error and message.header.get("is") is True
