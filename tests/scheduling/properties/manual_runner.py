"""Runners whose instances begin, answer and end when a test says so; they hold schedulers to what instances can do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from naiad.core.errors import ModelFailed
from naiad.scheduling.contract import Execution, Listener

OnStart = Callable[[Execution], None]


class ManualRunner:
    """A plain instance: one execution at a time, at most one more ahead, all results together."""

    capacity = 1
    ahead = 1

    def __init__(self, on_start: OnStart) -> None:
        """on_start: told of every execution as it is handed over."""
        self.runs_inline = False
        self.handed: list[tuple[Execution, Listener]] = []
        """In their order; not begun."""
        self.running: tuple[Execution, Listener] | None = None
        self._on_start = on_start

    def start(self, execution: Execution, listener: Listener) -> None:
        """See `Runner.start`."""
        self._on_start(execution)
        if self.runs_inline:
            assert self.running is None, "an instance is used by one thread at a time"
            listener.finished(execution, list(execution.items))
            return
        self.handed.append((execution, listener))
        assert len(self.handed) + (self.running is not None) <= self.capacity + self.ahead

    def recall(self, execution: Execution) -> bool:
        """See `Runner.recall`."""
        before = len(self.handed)
        self.handed = [entry for entry in self.handed if entry[0] is not execution]
        return len(self.handed) < before

    def close(self) -> None:
        """See `Runner.close`."""
        while self.running or self.handed:
            self.begin()
            self.finish("good")

    @property
    def is_unused(self) -> bool:
        return self.running is None and not self.handed

    def begin(self) -> None:
        """Let the thread take up the next execution."""
        if self.running is None and self.handed:
            self.running = self.handed.pop(0)

    def finish(self, outcome: str, *, will_run_inline: bool = False) -> None:
        """End what runs: with results, with an error for every other item, or for all; the loop hears of it later."""
        if self.running is None:
            return
        (execution, listener), self.running = self.running, None
        self.runs_inline = will_run_inline
        fails = {"good": lambda _: False, "some": lambda at: at % 2 == 0, "all": lambda _: True}[outcome]
        results = [ModelFailed("broken") if fails(at) else item for at, item in enumerate(execution.items)]
        asyncio.get_running_loop().call_soon_threadsafe(listener.finished, execution, results)


class ManualStream:
    """A streaming instance: several executions at a time, of each item any number of results."""

    ahead = 0
    runs_inline = False

    def __init__(self, on_start: OnStart, capacity: int = 2) -> None:
        self.capacity = capacity
        self.open: list[tuple[Execution, Listener, list[int]]] = []
        """Executions under way, with the items that have not had their last result."""
        self._on_start = on_start

    def start(self, execution: Execution, listener: Listener) -> None:
        """See `Runner.start`."""
        self._on_start(execution)
        self.open.append((execution, listener, list(range(len(execution.items)))))
        assert len(self.open) <= self.capacity

    def recall(self, execution: Execution) -> bool:
        """See `Runner.recall`."""
        del execution
        return False

    def close(self) -> None:
        """See `Runner.close`."""
        while self.open:
            self.send(0, 0, "good", is_final=True)

    @property
    def is_unused(self) -> bool:
        return not self.open

    def send(self, which: int, item: int, outcome: str, *, is_final: bool) -> None:
        """Send one result of one item; which execution, and which of its items, by any number."""
        if not self.open:
            return
        execution, listener, items = self.open[which % len(self.open)]
        index = items[item % len(items)]
        result = execution.items[index] if outcome == "good" else ModelFailed("broken")
        if is_final:
            items.remove(index)
        listener.sent(execution, index, result, is_final)
        if not items:
            self.open = [entry for entry in self.open if entry[0] is not execution]
            listener.finished(execution, ())
