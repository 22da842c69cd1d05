"""An instance that runs elsewhere: its batches are posted from the event loop, and its results come back there.

What it cannot take so, because it is long or the instance is not up, is executed in a thread, as any other batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.contracts import Instance, Posts
from naiad.core.errors import NotReady
from naiad.scheduling.contract import Execution, Listener
from naiad.scheduling.home import Home, loop_here
from naiad.scheduling.runners.thread import ThreadRunner


class PostRunner:
    """One instance, and the thread for what cannot be posted. Everything but `close` is the loop's."""

    capacity = 1
    ahead = 1
    """One batch ahead is posted before the results of the one before it are looked at."""
    runs_inline = False
    is_up: Callable[[], bool] | None = None
    """Whether the instance can run a batch now, where others could in its place; None: it always can."""

    def __init__(
        self, instance: Instance[Any, Any], name: str, *, tries_apart: bool = True, clock: Clock = monotonic
    ) -> None:
        """tries_apart: see `ThreadRunner`. Raises TypeError for an instance that cannot be posted to."""
        if not isinstance(instance, Posts):
            raise TypeError(f"{type(instance).__name__} takes no posts")
        self._instance = instance
        self._post = instance.post
        self._thread = ThreadRunner(instance, name, tries_apart=tries_apart, clock=clock)
        self._clock = clock
        self._home = Home()
        self._posted: Execution | None = None
        """Under way in the instance, and not in the thread."""
        self._listener: Listener | None = None
        """Of what is under way; None: nothing is."""
        self._next: tuple[Execution, Listener] | None = None
        self._is_closed = False

    def start(self, execution: Execution, listener: Listener) -> None:
        """See `Runner.start`."""
        if self._listener is None:
            self._begin(execution, listener)
        else:
            self._next = (execution, listener)

    def recall(self, execution: Execution) -> bool:
        """See `Runner.recall`."""
        if self._next is None or self._next[0] is not execution:
            return False
        self._next = None
        return True

    def sent(self, execution: Execution, index: int, result: Any, is_final: bool) -> None:
        """See `Listener.sent`; the thread sends nothing."""
        raise NotImplementedError

    def returned(self, execution: Execution) -> None:
        """See `Listener.returned`; what the thread runs is over when it has returned."""
        raise NotImplementedError

    def finished(self, execution: Execution, results: Sequence[Any]) -> None:
        """See `Listener.finished`; by the thread, and with what has been posted."""
        listener, self._listener, self._posted = self._listener, None, None
        assert listener is not None
        following, self._next = self._next, None
        if following is not None:
            self._begin(*following)
        listener.finished(execution, results)

    def close(self) -> None:
        """Release the instance; blocks until it has no more to do."""
        self._thread.interrupt()
        self._home.call(self._give_up)
        self._thread.close()

    def _begin(self, execution: Execution, listener: Listener) -> None:
        self._listener = listener
        self._home.loop = loop_here()
        if self._is_closed:
            self._refuse(execution)
            return
        execution.started_s = self._clock()
        self._posted = execution
        if not self._post(execution, partial(self._done, execution)):
            self._posted = None
            self._thread.start(execution, self)

    def _done(self, execution: Execution, results: Sequence[Any]) -> None:
        if self._posted is execution:
            execution.finished_s = self._clock()
            self.finished(execution, results)

    def _give_up(self) -> None:
        """Answer what has been posted: when the instance is closed, nothing will come any more."""
        self._is_closed = True
        if self._posted is not None:
            self._refuse(self._posted)

    def _refuse(self, execution: Execution) -> None:
        execution.failure = error = NotReady("the model is being unloaded")
        execution.finished_s = self._clock()
        self.finished(execution, [error] * len(execution.items))
