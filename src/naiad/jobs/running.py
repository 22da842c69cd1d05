"""The jobs that this server runs now: each claimed, run, and what came of it kept, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from naiad.core.clock import monotonic
from naiad.core.errors import NaiadError
from naiad.jobs.job import Claim, JobState, Outcome, Postponed
from naiad.jobs.runner import Run, Runner
from naiad.jobs.store import JobQueue

POSTPONED_S = 1.0
"""Until a job that could not be run is tried again."""

_FIRST_RETRY_S, _LAST_RETRY_S = 0.1, 5.0
"""Between attempts to keep a result, where its place fails."""

_log = logging.getLogger("naiad.jobs")


@dataclass(slots=True)
class _Running:
    claim: Claim
    run: Run | None = None
    is_lost: bool = False
    """Another server has it, or it was cancelled: nobody wants to know what comes of it."""


class Running:
    """Owned by the event loop's thread."""

    def __init__(
        self, queue: JobQueue, runner: Runner, at_once: int, on_end: Callable[[Claim, JobState, float], None]
    ) -> None:
        """at_once: of one model. on_end: called when a job has come to an end here, or was given back (WAITING).

        Its last argument are the seconds of the run.
        """
        self._queue, self._runner, self._at_once, self._on_end = queue, runner, at_once, on_end
        self._jobs: dict[str, _Running] = {}
        self._counts: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def room(self) -> dict[str, int]:
        """How many more jobs of which model can be run now."""
        free = {model: self._at_once - self._counts[model] for model in self._runner.models()}
        return {model: count for model, count in free.items() if count > 0}

    @property
    def progress(self) -> dict[str, tuple[int, int]]:
        """ID → attempt, answers so far."""
        return {
            job_id: (job.claim.attempt, 0 if job.run is None else job.run.responses)
            for job_id, job in self._jobs.items()
            if not job.is_lost
        }

    def responses(self, job_id: str) -> int:
        """Answers so far of a job that runs here."""
        job = self._jobs.get(job_id)
        return 0 if job is None or job.run is None else job.run.responses

    def start(self, claims: Iterable[Claim]) -> None:
        """Run jobs that were claimed."""
        for claim in claims:
            task = asyncio.get_running_loop().create_task(self._run(claim))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def lose(self, ids: Iterable[str]) -> None:
        """Withdraw jobs that are not this server's any more."""
        for job_id in ids:
            job = self._jobs.get(job_id)
            if job is not None and not job.is_lost:
                job.is_lost = True
                if job.run is not None:
                    job.run.cancel()

    async def settled(self) -> None:
        """Return when nothing runs."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Give back what still runs, without waiting for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, claim: Claim) -> None:
        job = self._jobs[claim.id] = _Running(claim)
        model = claim.request.model
        self._counts[model] += 1
        state, began_s = JobState.WAITING, monotonic()
        try:
            outcome = await self._outcome(job)
            if not job.is_lost:
                state = await self._keep(job, outcome)
        except asyncio.CancelledError:  # the server ends
            if job.run is not None:
                job.run.cancel()
            if not job.is_lost:
                await self._give_back(claim, 0.0)
            raise
        except Exception:  # noqa: BLE001 - a mistake of ours: the job is run again when the server is started anew
            _log.exception("job %s could not be run", claim.id)
        finally:
            del self._jobs[claim.id]
            self._counts[model] -= 1
            self._on_end(claim, state, monotonic() - began_s)

    async def _outcome(self, job: _Running) -> Outcome | Postponed:
        future: asyncio.Future[Outcome | Postponed] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome | Postponed) -> None:
            if not future.done():
                future.set_result(outcome)

        job.run = self._runner.start(job.claim.request, done)
        return await future

    async def _keep(self, job: _Running, outcome: Outcome | Postponed) -> JobState:
        """Keep what came of a job, for as long as it takes; a job of which it cannot be kept is run again some day."""
        if isinstance(outcome, Postponed):
            await self._give_back(job.claim, POSTPONED_S)
            return JobState.WAITING
        delay_s = _FIRST_RETRY_S
        while True:
            try:
                is_ours = await self._queue.finish(job.claim, outcome)
            except NaiadError as error:
                if job.is_lost:
                    return JobState.WAITING
                if delay_s == _FIRST_RETRY_S:
                    _log.warning("the result of job %s cannot be kept yet: %s", job.claim.id, error.message)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, _LAST_RETRY_S)
            else:
                return outcome.state if is_ours else JobState.WAITING

    async def _give_back(self, claim: Claim, delay_s: float) -> None:
        try:
            await self._queue.release(claim, delay_s)
        except NaiadError as error:
            _log.warning("job %s cannot be given back; it waits for another try: %s", claim.id, error.message)
