"""The crossing between the event loop and an instance's thread; there is no other (style rule 37).

A runner owns one instance. It runs a batch in a thread of its own, or inline on the loop while that has been measured
to be cheaper than the hand-over and back. Whoever starts a batch gets `finished` called once, on the loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.contracts import Batch, Instance
from naiad.core.errors import ModelFailed, NaiadError
from naiad.scheduling.queue import Execution

Finished = Callable[["Runner", Execution, Sequence[Any]], None]

INLINE_BELOW_S = 150e-6
"""A hand-over to a thread and back costs 60-120 µs with a busy loop; a run that is shorter is better done in place."""
INLINE_AFTER_RUNS = 8
"""Consecutive short runs before a model is trusted to run inline; the first runs of a session are slow anyway."""

_log = logging.getLogger("naiad.scheduling")


class Runner:
    """One instance and the thread it runs in; the thread starts with the first batch that needs it."""

    def __init__(
        self,
        instance: Instance[Any, Any],
        name: str,
        *,
        may_inline: bool,
        clock: Clock = monotonic,
        cpu_clock: Clock = time.thread_time,
    ) -> None:
        """may_inline: the instance neither blocks nor runs foreign Python; short runs may then stay on the loop.

        cpu_clock: seconds that the calling thread has computed. Wall time would count the wait for the interpreter lock
        and for other processes, and so call a cheap model expensive just when the server is busy.
        """
        self._instance = instance
        self._name = name
        self._may_inline = may_inline
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._short_runs = 0
        self._work: SimpleQueue[tuple[asyncio.AbstractEventLoop, Execution, Finished] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._in_hand = 0
        """Batches started and not finished; only touched on the loop's thread."""

    @property
    def is_idle(self) -> bool:
        """It has nothing to do."""
        return not self._in_hand

    @property
    def can_take_ahead(self) -> bool:
        """It runs one batch in its thread and has none to go on with.

        One batch ahead spares the thread the way to the loop and back between two batches, in which it would do
        nothing; a second would only bind requests early.
        """
        return self._in_hand == 1 and not self.runs_inline

    @property
    def runs_inline(self) -> bool:
        """Whether the next batch will run on the event loop."""
        return self._may_inline and self._short_runs >= INLINE_AFTER_RUNS

    def start(self, run: Execution, finished: Finished) -> None:
        """Run a batch; called on the loop's thread. Inline runs call `finished` before this returns."""
        self._in_hand += 1
        if self.runs_inline:
            self._finish(run, finished, self._execute(run))
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
        self._work.put((asyncio.get_running_loop(), run, finished))

    def close(self) -> None:
        """End the thread, then release the instance; blocks until the batch in hand is done."""
        if self._thread is not None:
            self._work.put(None)
            self._thread.join()
        self._instance.close()

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            loop, run, finished = work
            results = self._execute(run)
            loop.call_soon_threadsafe(self._finish, run, finished, results)
            del work, run, results  # or the last batch's tensors would live until the next one

    def _finish(self, run: Execution, finished: Finished, results: Sequence[Any]) -> None:
        self._in_hand -= 1
        finished(self, run, results)

    def _execute(self, run: Execution) -> Sequence[Any]:
        """One result per item, whatever happens."""
        run.started_s = self._clock()
        inline = self.runs_inline
        began_s = 0.0 if inline else self._cpu_clock()
        results = self._attempt(run)
        if isinstance(results, NaiadError):
            results = [results] if len(run.items) == 1 else self._apart(run)
        computed_s = 0.0 if inline else self._cpu_clock() - began_s
        run.finished_s = self._clock()
        self._weigh(computed_s, run.finished_s - run.started_s if inline else 0.0)
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
            if len(batch.items) == 1:  # else each item is tried alone, and the log names what only one of them raises
                _log.exception("instance %s failed", self._name)
            return ModelFailed(f"{type(error).__name__}: {error}")
        return ModelFailed(f"the model gave {len(results)} results for {len(batch.items)} requests")

    def _apart(self, run: Execution) -> list[Any]:
        """Run each item alone, after all of them together failed: what one raises is no business of the others."""
        results: list[Any] = []
        for item in run.items:
            alone = Batch([item])
            result = self._attempt(alone)
            results.append(result if isinstance(result, NaiadError) else result[0])
            run.input_ready_s = run.input_ready_s or alone.input_ready_s
            run.output_ready_s = alone.output_ready_s or run.output_ready_s
        return results

    def _weigh(self, computed_s: float, inline_s: float) -> None:
        """Decide where the next run belongs, by what this one took.

        Reading the processor time costs as much as a small model, so inline runs are timed on the wall; one that took
        long sends the next into the thread, where it is measured whether it was the model or the machine.
        """
        if inline_s:
            if inline_s > INLINE_BELOW_S:
                self._short_runs = INLINE_AFTER_RUNS - 1
        else:
            self._short_runs = self._short_runs + 1 if computed_s < INLINE_BELOW_S else 0
