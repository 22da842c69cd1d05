"""An application that runs: its workers, each under a supervisor, and what of them the scheduler uses."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from naiad.backends.application import wire
from naiad.backends.application.calls import Calls
from naiad.backends.application.functions import FunctionInstance
from naiad.backends.application.handlers import HandlersInstance
from naiad.backends.python.launching import Launch
from naiad.backends.python.process import WorkerProcess
from naiad.backends.python.supervisor import Order, Supervisor, start_all
from naiad.core.errors import LoadFailed
from naiad.core.model.host import ModelHost
from naiad.core.user_code.application import RESERVED, ApplicationEntry
from naiad.core.user_code.web_kinds import ASGI, SERVER

PROGRAM = Path(__file__).parent / "worker"

ASYNC_CAPACITY = 1024
"""Requests that one worker has at the same time, where no thread waits for each."""

_LEVELS = {"INFO": logging.INFO, "WARNING": logging.WARNING, "ERROR": logging.ERROR}

_log = logging.getLogger("naiad.application")


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """A function that is marked with `naiad.batched`."""

    name: str
    model: str
    """As what it is served."""
    max_batch_size: int
    max_wait_ms: float | None
    instances: tuple[FunctionInstance, ...]


class Application:
    """One application in its workers. `start` first; `handlers.close` ends it."""

    def __init__(self, entry: ApplicationEntry, host: ModelHost | None, hang_s: float, end_s: float) -> None:
        """host: the server. hang_s: what takes longer ends a worker; 0 = no limit. end_s: what its end may take."""
        self.entry = entry
        self.functions: tuple[FunctionFacts, ...] = ()
        self.kind = ""
        settings = entry.settings
        self._sides = [_Side() for _ in range(settings.workers)]
        launch = Launch(sys.executable, entry.variables, PROGRAM)
        self._supervisors = []
        for index, side in enumerate(self._sides):
            header = {
                "path": str(entry.path),
                "name": entry.name,
                "threads": settings.threads,
                "workers": settings.workers,
            }
            order = Order(f"{entry.name}_{index}", launch, header, side, hang_s, end_s)
            self._supervisors.append(Supervisor(order))
            side.hang_s = hang_s
        self._calls = Calls(host, entry.name)
        self.handlers = HandlersInstance(self._supervisors, 1)

    def start(self) -> None:
        """Start all workers, side by side. Raises LoadFailed; none is left then."""
        try:
            start_all(self._supervisors)
            self._take_facts()
        except LoadFailed as error:
            self.handlers.close()
            raise LoadFailed(f"{self.entry}: {error.message}") from error
        except BaseException:
            self.handlers.close()
            raise

    def _take_facts(self) -> None:
        facts, entry = self._supervisors[0].facts, self.entry
        self.kind = facts["kind"]
        if self.kind == SERVER:
            return
        settings = entry.settings
        each = ASYNC_CAPACITY if self.kind == ASGI else settings.threads
        self.handlers.capacity = each * settings.workers
        taken = [url for url in facts["urls"] if url == RESERVED or url.startswith(f"{RESERVED}/")]
        if taken:
            raise LoadFailed(
                f"its URL {taken[0]} is the server's own, as is everything at {RESERVED} and below; give the "
                "application's URLs other paths"
            )
        for path in facts["websockets"]:
            _log.warning("%s: the WebSocket %s is not served; it is answered with 501", entry, path)
        names = [one["name"] for one in facts["functions"]]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise LoadFailed(f'two functions are marked as {twice}; give one a name: @naiad.batched(name="…")')
        self.functions = tuple(
            FunctionFacts(
                one["name"],
                f"{entry.name}.{one['name']}",
                one["rows"],
                one["wait_ms"],
                tuple(FunctionInstance(each, at) for each in self._supervisors[: one["instances"] or None]),
            )
            for at, one in enumerate(facts["functions"])
        )
        self._calls.models = [one.model for one in self.functions]
        for side in self._sides:
            side.open(self.handlers, self._calls, [one for each in self.functions for one in each.instances])

    @property
    def is_ready(self) -> bool:
        """Whether any worker takes requests."""
        return any(one.is_ready for one in self._supervisors)

    @property
    def restarts(self) -> int:
        """How often workers have been started again."""
        return sum(one.restarts for one in self._supervisors)


class _Side:
    """What comes from one worker by itself, each kind of message to who knows what to do with it."""

    says_ready = True

    def __init__(self) -> None:
        self.hang_s = 0.0
        self._handlers: HandlersInstance | None = None
        self._calls: Calls | None = None
        self._functions: list[FunctionInstance] = []

    def open(self, handlers: HandlersInstance, calls: Calls, functions: list[FunctionInstance]) -> None:
        """Say who takes what."""
        self._handlers, self._calls, self._functions = handlers, calls, functions

    def handle(self, worker: WorkerProcess, message: wire.Message) -> None:
        """Pass a message on. Raises Garbled for one that nobody takes."""
        kind, handlers, calls = message.kind, self._handlers, self._calls
        try:
            if kind == wire.LOG:
                level = _LEVELS.get(str(message.header.get("level")), logging.INFO)
                _log.log(level, "%s: %s", worker.name, message.header.get("text"))
            elif handlers is None or calls is None:
                raise wire.Garbled(f"a message of kind {kind} comes too early")
            elif kind == wire.PART:
                handlers.take(worker, message)
            elif kind == wire.OUTCOMES:
                any(one.take(worker, message) for one in self._functions)
            elif kind == wire.CALL:
                calls.take(worker, message)
            elif kind == wire.UNWANTED:
                calls.let_go(worker, message)
            else:
                raise wire.Garbled(f"there is no message of kind {kind}")
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise wire.Garbled(f"a message makes no sense: {error}") from error

    def gone(self, worker: WorkerProcess) -> None:
        """See `SideEnd`."""
        if self._handlers is not None and self._calls is not None:
            self._calls.withdraw_all(worker)
            self._handlers.gone(worker)
        for one in self._functions:
            one.gone(worker)

    def look(self, worker: WorkerProcess) -> None:
        """See `SideEnd`."""
        if self._handlers is not None:
            self._handlers.look(worker, self.hang_s)
        for one in self._functions:
            one.look(worker, self.hang_s)
