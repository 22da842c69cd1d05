"""How to withdraw what workers have asked of other models and still wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from naiad.backends.python.process import WorkerProcess


class Asked(Protocol):
    """A request that a worker waits for; its number is the worker's own."""

    worker: WorkerProcess
    number: int
    is_over: bool
    """It has had its last answer."""


class Withdrawals:
    """Those of one instance's, or one application's, workers; from any thread."""

    def __init__(self) -> None:
        self._withdraw: dict[tuple[int, int], Callable[[], None]] = {}
        """By the worker's process and the request's number."""
        self._lock = threading.Lock()

    def keep(self, asked: Asked, withdraw: Callable[[], None]) -> None:
        """Keep how to withdraw a request, unless it is over already."""
        worker = asked.worker
        with self._lock:
            if not asked.is_over:
                self._withdraw[worker.pid, asked.number] = withdraw
        if worker.gone.is_set():
            self.withdraw_all(worker)

    def end(self, asked: Asked) -> None:
        """Note that a request has had its last answer."""
        with self._lock:
            asked.is_over = True
            self._withdraw.pop((asked.worker.pid, asked.number), None)

    def let_go(self, worker: WorkerProcess, number: int) -> None:
        """Withdraw a request whose answers nobody wants any more."""
        with self._lock:
            withdraw = self._withdraw.pop((worker.pid, number), None)
        if withdraw is not None:
            withdraw()

    def withdraw_all(self, worker: WorkerProcess) -> None:
        """Withdraw everything that a worker waits for: it is gone, or nobody waits for it."""
        with self._lock:
            found = [self._withdraw.pop(key) for key in list(self._withdraw) if key[0] == worker.pid]
        for withdraw in found:
            withdraw()
