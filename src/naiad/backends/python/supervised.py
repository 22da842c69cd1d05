"""How every instance that has a worker is ended."""

from __future__ import annotations

from abc import abstractmethod

from naiad.backends.python.process import WorkerProcess
from naiad.backends.python.supervisor import Supervisor
from naiad.backends.python.worker import wire
from naiad.core.errors import ModelFailed

HUNG = "it took longer than --model-hang-timeout allows"


class Supervised:
    """An instance with a worker."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._name = supervisor.order.name

    @property
    @abstractmethod
    def is_running(self) -> bool:
        """Whether the worker has anything to answer."""

    def is_up(self) -> bool:
        """See `MayBeAway`."""
        return self._supervisor.is_up

    def interrupt(self) -> None:
        """Start no more workers, and end everything that is under way; from any thread."""
        self._supervisor.interrupt()
        if self.is_running:
            self._supervisor.kill("the model was unloaded")

    def close(self) -> None:
        """Finalise the model and end its worker."""
        self._supervisor.close()


def withdraw(worker: WorkerProcess, number: int, index: int) -> None:
    """Tell a worker that nobody waits for a request of a batch any more."""
    worker.write(wire.WITHDRAWN, lambda _: {"b": number, "i": index})


def ended(name: str, worker: WorkerProcess) -> ModelFailed:
    """Return the error for a request that was with a worker when it ended; waits until it is gone."""
    why = worker.wait_gone()
    return ModelFailed(
        f"the worker process of instance '{name}' ended while it ran this request: {why}; another one is started",
        instance=name,
    )
