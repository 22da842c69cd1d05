"""Jobs in Redis: `JobStore` for several servers. Every method is one script; times are those of Redis' clock.

A server that runs a job has a lease on it, and says again and again that it goes on. One that ends, or is cut off,
loses its jobs when the lease is over: another runs them, and what the old one has to say of them is ignored.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace

from naiad.core.errors import AlreadyExists, Overloaded
from naiad.jobs.job import Claim, Job, JobRequest, JobResult, JobState, ModelJobs, Notice, Outcome, Totals
from naiad.jobs.redis.server import Server
from naiad.jobs.store import CALLBACK_DELAYS_S, CALLBACK_TRIES, Bounds
from naiad.jobs.words import CANCELLED, KEY_TAKEN, lost, no_room, result_too_large, waited_too_long

_TEXTS = ("model", "version", "error", "code", "callback")
_TIMES = ("created_s", "started_s", "finished_s")
_COUNTS = ("attempts", "responses", "status")


class RedisStore:
    """See `naiad.jobs.store`."""

    is_shared = True

    def __init__(self, url: str, bounds: Bounds) -> None:
        """Connect to nothing yet. Raises InvalidConfiguration."""
        self._server = Server(url)
        self._bounds = bounds
        self._over = (bounds.result_ttl_s, CALLBACK_TRIES)

    async def open(self) -> None:
        """See `JobStore.open`."""
        await self._server.open()

    async def close(self) -> None:
        """See `JobStore.close`."""
        await self._server.close()

    # what clients see

    async def add(self, request: JobRequest) -> Job:
        """See `JobRecords.add`."""
        bounds = self._bounds
        said, value = await self._server.run(
            "add",
            *(secrets.token_hex(16), request.model, request.version, request.form, json.dumps(dict(request.headers))),
            *(request.body, request.callback, request.key_digest, request.fingerprint),
            *(bounds.max_count, bounds.max_size),
        )
        if said == b"full":
            raise Overloaded(no_room(bounds, int(value)))
        if said == b"taken":
            raise AlreadyExists(KEY_TAKEN)
        job = await self.read(value.decode())
        assert job is not None or said == b"earlier"
        if job is not None:
            return replace(job, is_new=said == b"new")
        return await self.add(request)  # the earlier one has been forgotten just now

    async def read(self, job_id: str) -> Job | None:
        """See `JobRecords.read`."""
        names = ("state", *_TEXTS, *_TIMES, *_COUNTS)
        found = await self._server.fields(job_id, names)
        if found[0] is None:
            return None
        value = {name: (one or b"").decode() for name, one in zip(names, found, strict=True)}
        texts = {name: value[name] for name in _TEXTS}
        times = {name: float(value[name] or 0) for name in _TIMES}
        counts = {name: int(value[name] or 0) for name in _COUNTS}
        return Job(job_id, state=JobState(value["state"]), **texts, **times, **counts)  # type: ignore[arg-type] # by name

    async def read_result(self, job_id: str) -> JobResult | None:
        """See `JobRecords.read_result`."""
        kind, length, body = await self._server.fields(job_id, ("content_type", "header_length", "result"))
        if kind is None or length is None or body is None:
            return None
        return JobResult(kind.decode(), body, length.decode())

    async def cancel(self, job_id: str) -> Job | None:
        """See `JobRecords.cancel`."""
        job = await self.read(job_id)
        if job is None:
            return None
        state = await self._server.run("cancel", job_id, *self._over, *CANCELLED)
        if state and state.decode() != job.state:  # it went on meanwhile
            return Job(job.id, job.model, job.version, JobState(state.decode()), job.created_s)
        return job if state else None

    async def list(self, model: str, state: str, limit: int) -> Sequence[Job]:
        """See `JobRecords.list`."""
        ids = await self._server.run("list", model, state, limit)
        jobs = await asyncio.gather(*(self.read(job_id.decode()) for job_id in ids))
        return [job for job in jobs if job is not None]

    # what runs them

    async def claim(self, room: Mapping[str, int]) -> Sequence[Claim]:
        """See `JobQueue.claim`."""
        arguments = [one for pair in room.items() for one in pair]
        found = await self._server.run("claim", self._bounds.lease_s, *arguments)
        return [
            Claim(
                job_id.decode(),
                attempt,
                JobRequest(model.decode(), version.decode(), form.decode(), body, json.loads(headers)),
                max(0.0, float(waited_s)),
            )
            for job_id, attempt, model, version, form, headers, body, waited_s in found
        ]

    async def release(self, claim: Claim, delay_s: float) -> None:
        """See `JobQueue.release`."""
        await self._server.run("release", claim.id, claim.attempt, delay_s)

    async def finish(self, claim: Claim, outcome: Outcome) -> bool:
        """See `JobQueue.finish`."""
        result = outcome.result or JobResult("", b"")
        said = await self._server.run(
            "finish",
            *(claim.id, claim.attempt, *self._over, self._bounds.max_size),
            *(str(outcome.state), outcome.status, outcome.error, outcome.code, outcome.responses),
            *(result.content_type, result.header_length, result.body),
            *result_too_large(len(result.body), self._bounds),
        )
        return bool(said)

    async def renew(self, progress: Mapping[str, tuple[int, int]]) -> Sequence[str]:
        """See `JobQueue.renew`."""
        arguments = [one for job_id, pair in progress.items() for one in (job_id, *pair)]
        return [job_id.decode() for job_id in await self._server.run("renew", self._bounds.lease_s, *arguments)]

    async def tend(self) -> Sequence[str]:
        """See `JobQueue.tend`."""
        bounds = self._bounds
        words = (*lost(bounds), *waited_too_long(bounds))
        ended = await self._server.run("tend", *self._over, bounds.attempts, bounds.max_wait_s, *words)
        return [job_id.decode() for job_id in ended]

    async def totals(self) -> Totals:
        """See `JobStore.totals`."""
        count, size, *rows = await self._server.run("totals")
        models = {
            model.decode(): ModelJobs(waiting, running, max(0.0, float(oldest)))
            for model, waiting, running, oldest in rows
        }
        return Totals(count, size, models)

    # callbacks

    async def due(self, limit: int) -> Sequence[Notice]:
        """See `JobNotices.due`."""
        found = await self._server.run("due", limit, *CALLBACK_DELAYS_S)
        jobs = [(await self.read(job_id.decode()), left) for job_id, left in found]
        return [Notice(job, left) for job, left in jobs if job is not None]

    async def told(self, job_id: str) -> None:
        """See `JobNotices.told`."""
        await self._server.run("told", job_id)
