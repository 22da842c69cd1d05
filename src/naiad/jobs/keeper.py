"""The jobs of a server: taken, run, watched and told of. One task looks after all of it.

What clients ask for goes straight to the store; whoever waits for a job is woken when it ends here, or, where other
servers run jobs as well, when a look at the store says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence

from naiad.core.errors import NaiadError, NotReady
from naiad.jobs.callbacks.telling import Telling
from naiad.jobs.job import Claim, Job, JobRequest, JobResult, JobState, Totals
from naiad.jobs.runner import Runner
from naiad.jobs.running import Running
from naiad.jobs.store import JobStore
from naiad.observe.metrics.jobs import JobStatistics

TICK_S = 1.0
"""How often leases are renewed, at least, and what time brings is done."""

_MODELS_REMEMBERED = 1000
"""Whose jobs are told apart in the metrics."""

_log = logging.getLogger("naiad.jobs")


class Jobs:
    """See above. Owned by the event loop's thread."""

    def __init__(
        self, store: JobStore, runner: Runner, telling: Telling, *, at_once: int, lists: bool, tick_s: float = TICK_S
    ) -> None:
        """at_once: jobs of one model. lists: whether clients may list jobs."""
        self.lists = lists
        self.telling = telling
        self.totals = Totals()
        """As of the last tick."""
        self.statistics: defaultdict[str, JobStatistics] = defaultdict(JobStatistics)
        """What this server has taken, run and ended, by model; what happens is noted in `of`."""
        self._store = store
        self._running = Running(store, runner, at_once, self._on_end)
        self._tick_s = tick_s
        self._waiters: dict[str, set[asyncio.Future[None]]] = {}
        self._work = asyncio.Event()
        """Something may be there to be run."""
        self._is_paused = False
        self._task: asyncio.Task[None] | None = None
        self._has_failed = False

    # from start to end

    async def open(self) -> None:
        """Begin to take and run jobs. Raises InvalidConfiguration for a place that cannot be used."""
        await self._store.open()
        self._work.set()
        self._task = asyncio.get_running_loop().create_task(self._look_after())

    def pause(self) -> None:
        """Run no more jobs, and answer all who wait; jobs are still taken."""
        self._is_paused = True
        for job_id in list(self._waiters):
            self._wake(job_id)

    async def settled(self) -> None:
        """Return when no job runs."""
        await self._running.settled()

    async def close(self) -> None:
        """End; jobs that run are given back."""
        self.pause()
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self._running.close()
        await self.telling.close()
        await self._store.close()

    # what clients ask for

    async def submit(self, request: JobRequest) -> Job:
        """Take a job; it is durable when this returns. Raises Overloaded, NotReady, AlreadyExists."""
        self._check_open()
        job = await self._store.add(request)
        self.of(request.model).accepted += job.is_new
        self._work.set()
        return job

    async def find(self, job_id: str, wait_s: float = 0.0) -> Job | None:
        """Return a job; wait_s: when it is over, or after so long. None: there is none."""
        self._check_open()
        until_s = asyncio.get_running_loop().time() + wait_s
        while True:
            over = self._watch(job_id)
            try:
                job = await self._store.read(job_id)
                left_s = until_s - asyncio.get_running_loop().time()
                if job is None or job.state.is_over or left_s <= 0 or self._is_paused:
                    return job
                await asyncio.wait([over], timeout=left_s)
            finally:
                self._unwatch(job_id, over)

    def responses(self, job: Job) -> int:
        """Answers that a job has given so far, as well as this server knows."""
        return max(job.responses, self._running.responses(job.id))

    async def result(self, job_id: str) -> JobResult | None:
        """Return the result of a job that is done."""
        self._check_open()
        return await self._store.read_result(job_id)

    async def cancel(self, job_id: str) -> Job | None:
        """Cancel a job, or forget one that is over; returns it as it was."""
        self._check_open()
        job = await self._store.cancel(job_id)
        if job is not None and not job.state.is_over:
            self.of(job.model).ended[JobState.CANCELLED] += 1
            self._running.lose([job_id])
            self._wake(job_id)
            self._work.set()
        return job

    async def list(self, model: str = "", state: str = "", limit: int = 100) -> Sequence[Job]:
        """Return the newest jobs of all clients."""
        self._check_open()
        return await self._store.list(model, state, limit)

    def _check_open(self) -> None:
        if self._task is None:
            raise NotReady("jobs are not taken now: the server is starting or stopping")

    # what is done all the time

    async def _look_after(self) -> None:
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        while True:
            try:
                if loop.time() >= next_s:
                    next_s = loop.time() + self._tick_s
                    await self._tick()
                if self._work.is_set() and not self._is_paused:
                    self._work.clear()
                    await self._fill()
                self._has_failed = False
            except NaiadError as error:
                if not self._has_failed:
                    self._has_failed = True
                    _log.error("jobs are not run now: %s", error.message)
            except Exception:  # noqa: BLE001 - a mistake of ours costs a turn, not all jobs
                _log.exception("looking after jobs failed")
            try:
                async with asyncio.timeout(max(0.0, next_s - loop.time())):
                    await (asyncio.sleep(self._tick_s) if self._is_paused or self._has_failed else self._work.wait())
            except TimeoutError:
                pass

    async def _fill(self) -> None:
        """Run as many jobs as there is room for."""
        if room := self._running.room:
            claims = await self._store.claim(room)
            self._running.start(claims)
            if claims:
                self._work.set()

    async def _tick(self) -> None:
        if progress := self._running.progress:
            self._running.lose(await self._store.renew(progress))
        for job_id in await self._store.tend():
            job = await self._store.read(job_id)
            self.of("" if job is None else job.model).ended[JobState.FAILED] += 1
            self._wake(job_id)
        if self._store.is_shared:
            await self._look_for_waiters()
        self.totals = await self._store.totals()
        self._work.set()  # models may have come, jobs may be due
        await self.telling.look()

    async def _look_for_waiters(self) -> None:
        for job_id in list(self._waiters):
            job = await self._store.read(job_id)
            if job is None or job.state.is_over:
                self._wake(job_id)

    def _on_end(self, claim: Claim, state: JobState, run_s: float) -> None:
        """See `Running`."""
        if state.is_over:
            self.of(claim.request.model).record_end(state, claim.waited_s, run_s)
            self.telling.hint()
        self._wake(claim.id)
        self._work.set()

    def of(self, model: str) -> JobStatistics:
        """The statistics of a model's jobs; of no name, where there are too many models for the metrics."""
        is_told_apart = model in self.statistics or len(self.statistics) < _MODELS_REMEMBERED
        return self.statistics[model if is_told_apart else ""]

    # who waits

    def _watch(self, job_id: str) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(job_id, set()).add(future)
        return future

    def _unwatch(self, job_id: str, future: asyncio.Future[None]) -> None:
        waiters = self._waiters.get(job_id)
        if waiters is not None:
            waiters.discard(future)
            if not waiters:
                del self._waiters[job_id]

    def _wake(self, job_id: str) -> None:
        for future in self._waiters.get(job_id, ()):
            if not future.done():
                future.set_result(None)
