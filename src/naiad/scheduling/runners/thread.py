"""A plain instance in a thread of its own, or inline on the event loop.

Inline while that has been measured to be cheaper than the hand-over and back. Every item gets one result; all results
of a batch come together.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.contracts import Batch, Instance, Interruptible
from naiad.core.errors import ModelFailed, NaiadError
from naiad.scheduling.contract import Execution, Listener

INLINE_BELOW_S = 150e-6
"""A hand-over to a thread and back costs 60-120 µs with a busy loop; a model that computes for less is better run in
place. Only its computing counts: what gathers inputs and splits outputs is Python, which a thread cannot do beside the
loop."""
INLINE_AFTER_RUNS = 8
"""Consecutive short runs before a model is trusted to run inline; the first runs of a session are slow anyway."""

_log = logging.getLogger("naiad.scheduling")


class ThreadRunner:
    """One instance and the thread it runs in; the thread starts with the first batch that needs it."""

    capacity = 1
    ahead = 1
    """One batch ahead spares the thread the way to the loop and back between two batches, in which it would do
    nothing; a second would only bind requests early."""

    def __init__(
        self,
        instance: Instance[Any, Any],
        name: str,
        *,
        may_inline: bool = False,
        tries_apart: bool = True,
        clock: Clock = monotonic,
        cpu_clock: Clock = time.thread_time,
    ) -> None:
        """may_inline: the instance neither blocks nor runs foreign Python; short runs may then stay on the loop.

        tries_apart: what failed as a batch is run again, item by item; not where a run changes the instance.
        cpu_clock: seconds that the calling thread has computed. Wall time would count the wait for the interpreter lock
        and for other processes, and so call a cheap model expensive just when the server is busy.
        """
        self._instance = instance
        self._name = name
        self._may_inline = may_inline
        self._tries_apart = tries_apart
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._short_runs = 0
        self.runs_inline = False
        """See `Runner`; decided by the last run."""
        self._work: SimpleQueue[Execution | None] = SimpleQueue()
        self._handed: dict[int, tuple[asyncio.AbstractEventLoop, Listener]] = {}
        """By the id of an execution in `_work`, who is to hear of it. Who takes it out of here, which only one thread
        can, has the execution: this runner's thread to run it, or the loop's to take it back."""
        self._thread: threading.Thread | None = None

    def start(self, execution: Execution, listener: Listener) -> None:
        """See `Runner.start`.

        Inline runs are timed by the wall: reading the processor time costs as much as a small model. One that took long
        sends the next into the thread, where it is measured whether it was the model or the machine.
        """
        if not self.runs_inline:
            self._hand_over(execution, listener)
            return
        began_s = execution.started_s = self._clock()
        results = self._attempt(execution)
        if isinstance(results, NaiadError):
            results = self._apart(execution, results)
        execution.finished_s = ended_s = self._clock()
        computing_s = execution.output_ready_s - execution.input_ready_s or ended_s - began_s
        if computing_s > INLINE_BELOW_S:
            self._short_runs = INLINE_AFTER_RUNS - 1
            self.runs_inline = False
        listener.finished(execution, results)

    def recall(self, execution: Execution) -> bool:
        """See `Runner.recall`."""
        return self._handed.pop(id(execution), None) is not None

    def interrupt(self) -> None:
        """End a run that is under way, if the instance can; `close` follows."""
        if isinstance(self._instance, Interruptible):
            self._instance.interrupt()

    def close(self) -> None:
        """End the thread, then release the instance; blocks until the batch in hand is done."""
        self.interrupt()
        if self._thread is not None:
            self._work.put(None)
            self._thread.join()
        self._instance.close()

    def _hand_over(self, execution: Execution, listener: Listener) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
        self._handed[id(execution)] = asyncio.get_running_loop(), listener
        self._work.put(execution)

    def _serve(self) -> None:
        while (execution := self._work.get()) is not None:
            handed = self._handed.pop(id(execution), None)
            if handed is not None:
                loop, listener = handed
                results = self._run(execution)
                loop.call_soon_threadsafe(listener.finished, execution, results)
                del results
            del execution  # or the last batch's tensors would live until the next one

    def _run(self, execution: Execution) -> Sequence[Any]:
        """Run in the thread, timed by what it computed, which decides where the next run belongs."""
        execution.started_s = self._clock()
        began_s = self._cpu_clock()
        results = self._attempt(execution)
        if isinstance(results, NaiadError):
            results = self._apart(execution, results)
        computed_s = self._cpu_clock() - began_s
        is_short = min(computed_s, execution.output_ready_s - execution.input_ready_s or computed_s) < INLINE_BELOW_S
        execution.finished_s = self._clock()
        self._short_runs = self._short_runs + 1 if is_short else 0
        self.runs_inline = self._may_inline and self._short_runs >= INLINE_AFTER_RUNS
        return results

    def _attempt(self, batch: Batch[Any]) -> Sequence[Any] | NaiadError:
        """One result for each item, or why there is none."""
        try:
            results = self._instance.execute(batch)
            if len(results) == len(batch.items):
                return results
        except NaiadError as error:
            return error
        except BaseException as error:  # noqa: BLE001 — a model may raise anything, and panics of Rust are no Exception
            # Where each item is tried alone, the log names what only one of them raises.
            if len(batch.items) == 1 or not self._tries_apart:
                _log.exception("instance %s failed", self._name)
            return ModelFailed(f"{type(error).__name__}: {error}")
        return ModelFailed(f"the model returned {len(results)} results for {len(batch.items)} requests")

    def _apart(self, execution: Execution, error: NaiadError) -> list[Any]:
        """Run each item alone, after all of them together failed: what one raises is no business of the others."""
        execution.failure = error
        if len(execution.items) == 1 or not self._tries_apart:
            return [error] * len(execution.items)
        results: list[Any] = []
        for item in execution.items:
            alone = Batch([item])
            result = self._attempt(alone)
            results.append(result if isinstance(result, NaiadError) else result[0])
            execution.input_ready_s = execution.input_ready_s or alone.input_ready_s
            execution.output_ready_s = alone.output_ready_s or execution.output_ready_s
        return results
