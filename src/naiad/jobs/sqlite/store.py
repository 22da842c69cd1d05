"""Jobs in a file: `JobStore` for one server. Every method is one transaction of the ledger."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from naiad.core.errors import AlreadyExists, Overloaded
from naiad.jobs.job import Claim, Job, JobRequest, JobResult, JobState, ModelJobs, Notice, Outcome, Totals
from naiad.jobs.sqlite.ledger import Ledger
from naiad.jobs.sqlite.tables import SCHEMA, job_of, read_request, write_request
from naiad.jobs.store import CALLBACK_DELAYS_S, CALLBACK_TRIES, Bounds
from naiad.jobs.words import CANCELLED, KEY_TAKEN, lost, no_room, result_too_large, waited_too_long

_FREED_PAGES = 1000
"""Given back to the file system at a time, 4 MiB."""


class SqliteStore:
    """See `naiad.jobs.store`."""

    is_shared = False

    def __init__(self, folder: Path, bounds: Bounds, clock: Callable[[], float] = time.time) -> None:
        """clock: Unix seconds, which outlast the server."""
        self._ledger = Ledger(folder, SCHEMA)
        self._bounds = bounds
        self._clock = clock

    async def open(self) -> None:
        """See `JobStore.open`; jobs that ran when the server ended wait again, or have failed."""
        self._ledger.open()
        await self._ledger.run(self._take_over)

    async def close(self) -> None:
        """See `JobStore.close`."""
        await self._ledger.close()

    # what clients see

    async def add(self, request: JobRequest) -> Job:
        """See `JobRecords.add`."""
        key, fingerprint, bounds, now = request.key_digest, request.fingerprint, self._bounds, self._clock()

        def add(connection: sqlite3.Connection) -> Job:
            if key:
                found = connection.execute("SELECT * FROM jobs WHERE key = ?", (key,)).fetchone()
                if found is not None:
                    if found["fingerprint"] != fingerprint:
                        raise AlreadyExists(KEY_TAKEN)
                    return job_of(found)
            count, size = connection.execute("SELECT count, size FROM totals").fetchone()
            if count >= bounds.max_count or size + request.size > bounds.max_size:
                raise Overloaded(no_room(bounds, count))
            job_id = secrets.token_hex(16)
            job = Job(
                job_id, request.model, request.version, JobState.WAITING, now, callback=request.callback, is_new=True
            )
            connection.execute(
                "INSERT INTO jobs (id, model, version, state, created_s, size, key, fingerprint, callback) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    job.id,
                    job.model,
                    job.version,
                    job.state,
                    now,
                    request.size,
                    key or None,
                    fingerprint,
                    request.callback,
                ),
            )
            write_request(connection, job.id, request)
            return job

        return await self._ledger.run(add)

    async def read(self, job_id: str) -> Job | None:
        """See `JobRecords.read`."""
        return await self._ledger.run(lambda connection: _read(connection, job_id))

    async def read_result(self, job_id: str) -> JobResult | None:
        """See `JobRecords.read_result`."""

        def read(connection: sqlite3.Connection) -> JobResult | None:
            row = connection.execute("SELECT * FROM results WHERE id = ?", (job_id,)).fetchone()
            return None if row is None else JobResult(row["content_type"], row["body"], row["header_length"])

        return await self._ledger.run(read)

    async def cancel(self, job_id: str) -> Job | None:
        """See `JobRecords.cancel`."""

        def cancel(connection: sqlite3.Connection) -> Job | None:
            job = _read(connection, job_id)
            if job is None:
                return None
            if job.state.is_over:
                connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
            else:
                self._end(connection, job_id, Outcome(JobState.CANCELLED, None, *CANCELLED))
            return job

        return await self._ledger.run(cancel)

    async def list(self, model: str, state: str, limit: int) -> Sequence[Job]:
        """See `JobRecords.list`."""
        sql = "SELECT * FROM jobs WHERE ? IN ('', model) AND ? IN ('', state) ORDER BY number DESC LIMIT ?"

        def read(connection: sqlite3.Connection) -> Sequence[Job]:
            return [job_of(row) for row in connection.execute(sql, (model, state, limit))]

        return await self._ledger.run(read)

    # what runs them

    async def claim(self, room: Mapping[str, int]) -> Sequence[Claim]:
        """See `JobQueue.claim`."""
        now = self._clock()
        find = (
            "SELECT id, version, attempts, created_s FROM jobs WHERE state = 'waiting' AND model = ? AND due_s <= ? "
            "ORDER BY number LIMIT ?"
        )
        begin = "UPDATE jobs SET state = 'running', started_s = ?, attempts = attempts + 1, responses = 0 WHERE id = ?"

        def claim(connection: sqlite3.Connection) -> Sequence[Claim]:
            claims = []
            for model, count in room.items():
                for row in connection.execute(find, (model, now, count)).fetchall():
                    connection.execute(begin, (now, row["id"]))
                    request = read_request(connection, row["id"], model, row["version"])
                    waited_s = max(0.0, now - row["created_s"])
                    claims.append(Claim(row["id"], row["attempts"] + 1, request, waited_s))
            return claims

        return await self._ledger.run(claim)

    async def release(self, claim: Claim, delay_s: float) -> None:
        """See `JobQueue.release`."""
        sql = (
            "UPDATE jobs SET state = 'waiting', attempts = attempts - 1, due_s = ?, responses = 0 "
            "WHERE id = ? AND state = 'running' AND attempts = ?"
        )
        due_s = self._clock() + delay_s
        await self._ledger.run(lambda connection: connection.execute(sql, (due_s, claim.id, claim.attempt)).rowcount)

    async def finish(self, claim: Claim, outcome: Outcome) -> bool:
        """See `JobQueue.finish`."""

        def finish(connection: sqlite3.Connection) -> bool:
            sql = "SELECT size FROM jobs WHERE id = ? AND state = 'running' AND attempts = ?"
            row = connection.execute(sql, (claim.id, claim.attempt)).fetchone()
            if row is None:
                return False
            (size,) = connection.execute("SELECT size FROM totals").fetchone()
            last = outcome
            if outcome.result is not None:
                length = len(outcome.result.body)
                if size - row["size"] + length > self._bounds.max_size:
                    last = Outcome(JobState.FAILED, None, *result_too_large(length, self._bounds))
            self._end(connection, claim.id, last)
            return True

        return await self._ledger.run(finish)

    async def renew(self, progress: Mapping[str, tuple[int, int]]) -> Sequence[str]:
        """See `JobQueue.renew`; one server loses no jobs but those that are cancelled."""
        sql = "UPDATE jobs SET responses = ? WHERE id = ? AND state = 'running' AND attempts = ?"

        def renew(connection: sqlite3.Connection) -> Sequence[str]:
            return [
                job_id
                for job_id, (attempt, responses) in progress.items()
                if not connection.execute(sql, (responses, job_id, attempt)).rowcount
            ]

        return await self._ledger.run(renew)

    async def tend(self) -> Sequence[str]:
        """See `JobQueue.tend`."""
        bounds, now = self._bounds, self._clock()

        def tend(connection: sqlite3.Connection) -> Sequence[str]:
            late = "SELECT id FROM jobs WHERE state = 'waiting' AND created_s < ? LIMIT 1000"
            ended = [row["id"] for row in connection.execute(late, (now - bounds.max_wait_s,))]
            for job_id in ended:
                self._end(connection, job_id, Outcome(JobState.FAILED, None, *waited_too_long(bounds)))
            old = "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE finished_s BETWEEN 1 AND ? LIMIT 1000)"
            if connection.execute(old, (now - bounds.result_ttl_s,)).rowcount:
                connection.execute(f"PRAGMA incremental_vacuum({_FREED_PAGES})")
            return ended

        return await self._ledger.run(tend)

    async def totals(self) -> Totals:
        """See `JobStore.totals`."""
        now = self._clock()
        sql = (
            "SELECT model, sum(state = 'waiting'), sum(state = 'running'), "
            "min(CASE state WHEN 'waiting' THEN created_s END) "
            "FROM jobs WHERE state IN ('waiting', 'running') GROUP BY model"
        )

        def read(connection: sqlite3.Connection) -> Totals:
            count, size = connection.execute("SELECT count, size FROM totals").fetchone()
            models = {
                model: ModelJobs(waiting, running, 0.0 if oldest is None else max(0.0, now - oldest))
                for model, waiting, running, oldest in connection.execute(sql)
            }
            return Totals(count, size, models)

        return await self._ledger.run(read)

    # callbacks

    async def due(self, limit: int) -> Sequence[Notice]:
        """See `JobNotices.due`."""
        now = self._clock()
        find = "SELECT * FROM jobs WHERE callback_due_s <= ? ORDER BY callback_due_s LIMIT ?"

        def due(connection: sqlite3.Connection) -> Sequence[Notice]:
            notices = []
            for row in connection.execute(find, (now, limit)).fetchall():
                left = row["callback_left"] - 1
                next_s = now + CALLBACK_DELAYS_S[-left] if left > 0 else None
                sql = "UPDATE jobs SET callback_left = ?, callback_due_s = ? WHERE id = ?"
                connection.execute(sql, (left, next_s, row["id"]))
                notices.append(Notice(job_of(row), left))
            return notices

        return await self._ledger.run(due)

    async def told(self, job_id: str) -> None:
        """See `JobNotices.told`."""
        sql = "UPDATE jobs SET callback_left = 0, callback_due_s = NULL WHERE id = ?"
        await self._ledger.run(lambda connection: connection.execute(sql, (job_id,)).rowcount)

    # steps of a transaction

    def _take_over(self, connection: sqlite3.Connection) -> None:
        """Let what ran when the server ended wait again, unless it has been tried often enough."""
        sql = "SELECT id FROM jobs WHERE state = 'running' AND attempts >= ?"
        for row in connection.execute(sql, (self._bounds.attempts,)).fetchall():
            self._end(connection, row["id"], Outcome(JobState.FAILED, None, *lost(self._bounds)))
        connection.execute("UPDATE jobs SET state = 'waiting', responses = 0 WHERE state = 'running'")

    def _end(self, connection: sqlite3.Connection, job_id: str, outcome: Outcome) -> None:
        """Note the end of a job: its request goes, its result comes, its callback is due."""
        connection.execute("DELETE FROM requests WHERE id = ?", (job_id,))
        result, now = outcome.result, self._clock()
        if result is not None:
            values = (job_id, result.content_type, result.header_length, result.body)
            connection.execute("INSERT INTO results VALUES (?, ?, ?, ?)", values)
        connection.execute(
            "UPDATE jobs SET state = ?, finished_s = ?, status = ?, error = ?, code = ?, size = ?, "
            "responses = max(responses, ?), callback_left = CASE callback WHEN '' THEN 0 ELSE ? END, "
            "callback_due_s = CASE callback WHEN '' THEN NULL ELSE ? END WHERE id = ?",
            (
                *(outcome.state, now, outcome.status, outcome.error, outcome.code),
                *(0 if result is None else len(result.body), outcome.responses, CALLBACK_TRIES, now, job_id),
            ),
        )


def _read(connection: sqlite3.Connection, job_id: str) -> Job | None:
    row = connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return None if row is None else job_of(row)
