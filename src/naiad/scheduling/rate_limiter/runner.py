"""A runner whose executions begin only when the rate limiter has given their resources.

A scheduler may ask for leave before it forms a batch (`claim`), so that the batch holds all that has come meanwhile;
what it starts without leave waits in line as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from naiad.core.errors import NotReady
from naiad.scheduling.contract import Execution, Listener, Runner
from naiad.scheduling.home import Home
from naiad.scheduling.rate_limiter.limiter import Entry, Member, RateLimiter

Observe = Callable[[float], None]
"""Told of every wait for resources, in seconds."""


class RateLimitedRunner:
    """One instance behind the rate limiter."""

    ahead = 0

    def __init__(self, runner: Runner, limiter: RateLimiter, member: Member, observe: Observe) -> None:
        self.capacity = runner.capacity
        self._runner = runner
        self._limiter = limiter
        self._member = member
        self._observe = observe
        self._claim: Entry | None = None
        """In line for leave to begin one execution."""
        self._has_leave = False
        """What one execution needs is taken for it."""
        self._waiting: dict[int, tuple[Entry, Execution, Listener]] = {}
        """By id, executions that are in line themselves."""
        self._listeners: dict[int, Listener] = {}
        """By id, those of the executions under way."""
        self._is_closed = False
        self._home = Home()

    @property
    def share(self) -> int:
        """See `Member`; of several instances, the one with the lowest should ask first."""
        return self._member.share

    @property
    def runs_inline(self) -> bool:
        """See `Runner`."""
        return self._runner.runs_inline

    @property
    def waiting(self) -> int:
        """Executions, or claims of one, that are in line."""
        return len(self._waiting) + (self._claim is not None)

    def claim(self, wake: Callable[[], None]) -> bool:
        """Ask for leave to start one execution; False: not yet, and `wake` is called when there is."""
        if not self._has_leave and self._claim is None:

            def grant(waited_s: float) -> None:
                self._claim = None
                self._observe(waited_s)
                self._has_leave = True
                if self._is_closed:
                    self.waive()
                else:
                    wake()

            self._claim = Entry(self._member, grant)
            self._limiter.join(self._claim)
        return self._has_leave

    def waive(self) -> None:
        """Give up a claim, and leave that is not used."""
        if self._claim is not None:
            self._limiter.leave(self._claim)
            self._claim = None
        if self._has_leave:
            self._has_leave = False
            self._limiter.release(self._member, has_run=False)

    def start(self, execution: Execution, listener: Listener) -> None:
        """See `Runner.start`: now with leave, else when it is its turn."""
        if self._has_leave:
            self._has_leave = False
            self._begin(execution, listener)
            return

        def grant(waited_s: float) -> None:
            self._observe(waited_s)
            if self._waiting.pop(id(execution), None) is None:  # closed meanwhile
                self._limiter.release(self._member, has_run=False)
            else:
                self._begin(execution, listener)

        self._home.loop = asyncio.get_running_loop()
        entry = Entry(self._member, grant)
        self._waiting[id(execution)] = entry, execution, listener
        self._limiter.join(entry)

    def recall(self, execution: Execution) -> bool:
        """See `Runner.recall`."""
        waiting = self._waiting.pop(id(execution), None)
        if waiting is not None:
            return self._limiter.leave(waiting[0])
        if not self._runner.recall(execution):
            return False
        del self._listeners[id(execution)]
        self._limiter.release(self._member, has_run=False)
        return True

    def close(self) -> None:
        """See `Runner.close`; what is still in line is answered with NotReady, on the loop's thread."""
        self._home.call(self._end)
        self._runner.close()
        self._limiter.unregister(self._member)

    def sent(self, execution: Execution, index: int, result: Any, is_final: bool) -> None:
        """See `Listener.sent`."""
        self._listeners[id(execution)].sent(execution, index, result, is_final)

    def returned(self, execution: Execution) -> None:
        """See `Listener.returned`; what the execution took is free again."""
        self._listeners[id(execution)].returned(execution)
        self._limiter.release(self._member, has_run=True)

    def finished(self, execution: Execution, results: Sequence[Any]) -> None:
        """See `Listener.finished`; the listener plans its next batch before the line is looked at."""
        self._listeners.pop(id(execution)).finished(execution, results)
        if not execution.has_returned:
            self._limiter.release(self._member, has_run=True)

    def _end(self) -> None:
        self._is_closed = True
        waiting, self._waiting = self._waiting, {}
        for _, execution, listener in waiting.values():
            listener.finished(execution, [NotReady("the model is being unloaded") for _ in execution.items])

    def _begin(self, execution: Execution, listener: Listener) -> None:
        self._listeners[id(execution)] = listener
        self._runner.start(execution, self)
