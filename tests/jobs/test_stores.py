"""What every place of jobs promises, through the same cases: a file of SQLite, and a real Redis server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from stores import claim_one, done, make, request

from naiad.core.errors import AlreadyExists, Overloaded
from naiad.jobs.job import JobResult, JobState, Outcome
from naiad.jobs.store import CALLBACK_TRIES, JobStore

Case = Callable[[JobStore], Awaitable[None]]


def run(place: str, case: Case, **bounds: Any) -> None:
    async def with_store() -> None:
        store = make(place, **bounds)
        await store.open()
        try:
            await case(store)
        finally:
            await store.close()

    asyncio.run(with_store())


async def until_tended(store: JobStore, is_done: Callable[[Sequence[str]], Awaitable[bool]]) -> None:
    """Let time pass, whose clock may be the store's own."""
    async with asyncio.timeout(30):
        while not await is_done(await store.tend()):
            pass


def test_a_job_goes_from_waiting_to_its_result(place: str) -> None:
    async def case(store: JobStore) -> None:
        body = bytes(range(256))
        asked = request(body, version="2", headers={"X-Ä": "1"}, callback="http://a/")
        job = await store.add(asked)
        assert (job.state, job.model, job.version, job.attempts, len(job.id)) == (JobState.WAITING, "m", "2", 0, 32)
        assert job.is_new
        assert await store.read(job.id) == job
        assert await store.read_result(job.id) is None
        claim = await claim_one(store)
        assert (claim.id, claim.attempt, claim.request.body, claim.request.version) == (job.id, 1, body, "2")
        assert dict(claim.request.headers) == {"X-Ä": "1"}
        running = await store.read(job.id)
        assert running is not None
        assert (running.state, running.attempts) == (JobState.RUNNING, 1)
        assert await store.renew({job.id: (1, 5)}) == []
        assert await store.finish(claim, done(body, responses=7))
        over = await store.read(job.id)
        assert over is not None
        assert (over.state, over.responses, over.status, over.callback) == (JobState.DONE, 7, 200, "http://a/")
        assert over.created_s <= over.started_s <= over.finished_s
        assert await store.read_result(job.id) == JobResult("application/json", body, "3")
        assert not await store.finish(claim, done()), "it is over"

    run(place, case)


def test_what_failed_says_why(place: str) -> None:
    async def case(store: JobStore) -> None:
        job = await store.add(request())
        failed = Outcome(JobState.FAILED, None, 400, 'it\'s "wrong"\nÄ', "invalid-request")
        assert await store.finish(await claim_one(store), failed)
        over = await store.read(job.id)
        assert over is not None
        assert (over.state, over.status, over.error, over.code) == (JobState.FAILED, 400, failed.error, failed.code)
        assert await store.read_result(job.id) is None

    run(place, case)


def test_the_oldest_of_each_model_come_first(place: str) -> None:
    async def case(store: JobStore) -> None:
        names = ["a", "b", "a", "c", "a", "b"]
        jobs = [await store.add(request(model=name)) for name in names]
        claims = await store.claim({"a": 2, "b": 5})
        assert [claim.id for claim in claims] == [jobs[at].id for at in (0, 2, 1, 5)]
        assert [claim.id for claim in await store.claim({"a": 9, "b": 9})] == [jobs[4].id]
        assert await store.claim({"a": 9}) == []
        totals = await store.totals()
        assert (totals.count, totals.size) == (6, 12)
        assert {name: (one.waiting, one.running) for name, one in totals.models.items()} == {
            "a": (0, 3),
            "b": (0, 2),
            "c": (1, 0),
        }
        assert totals.models["c"].oldest_s >= 0

    run(place, case)


def test_who_is_cancelled_is_not_run_and_who_is_over_is_forgotten(place: str) -> None:
    async def case(store: JobStore) -> None:
        waiting, running = await store.add(request()), await store.add(request())
        was = await store.cancel(waiting.id)
        assert was is not None
        assert was.state is JobState.WAITING
        claim = await claim_one(store)
        assert claim.id == running.id
        await store.cancel(running.id)
        assert await store.renew({running.id: (1, 0)}) == [running.id]
        assert not await store.finish(claim, done())
        for job in (waiting, running):
            now = await store.read(job.id)
            assert now is not None
            assert (now.state, now.error) == (JobState.CANCELLED, "the job was cancelled")
            assert (await store.totals()).size == 0
            forgotten = await store.cancel(job.id)
            assert forgotten is not None
            assert forgotten.state is JobState.CANCELLED
            assert await store.read(job.id) is None
        assert await store.cancel(waiting.id) is None
        assert (await store.totals()).count == 0

    run(place, case)


def test_a_job_given_back_waits_again_and_that_run_does_not_count(place: str) -> None:
    async def case(store: JobStore) -> None:
        job = await store.add(request())
        for _ in range(5):
            claim = await claim_one(store)
            assert claim.attempt == 1
            await store.release(claim, 0.0)
        await store.release(await claim_one(store), 3600.0)
        assert await store.claim({"m": 1}) == []
        waiting = await store.read(job.id)
        assert waiting is not None
        assert waiting.state is JobState.WAITING

    run(place, case)


def test_the_same_key_means_the_same_job(place: str) -> None:
    async def case(store: JobStore) -> None:
        first = await store.add(request(b"x", key="k"))
        assert (await store.add(request(b"x", key="k"))).id == first.id
        assert (await store.add(request(b"x", model="other", key="k"))).id != first.id
        assert (await store.add(request(b"x"))).id != first.id
        for other in (
            request(b"y", key="k"),
            request(b"x", key="k", version="1"),
            request(b"x", key="k", callback="u"),
        ):
            with pytest.raises(AlreadyExists, match="Idempotency-Key"):
                await store.add(other)
        await store.finish(await claim_one(store), done())
        assert (await store.add(request(b"x", key="k"))).state is JobState.DONE
        await store.cancel(first.id)
        assert (await store.add(request(b"y", key="k"))).id != first.id, "the key is free again"

    run(place, case)


def test_bounds(place: str) -> None:
    async def case(store: JobStore) -> None:
        jobs = [await store.add(request(bytes(10))) for _ in range(3)]
        with pytest.raises(Overloaded, match=r"there are 3 jobs, as many as are kept.*--jobs-max-count"):
            await store.add(request())
        await store.cancel(jobs[0].id)
        await store.cancel(jobs[0].id)
        with pytest.raises(Overloaded, match=r"more than 50 bytes.*--jobs-max-size"):
            await store.add(request(bytes(31)))
        await store.add(request(bytes(30)))
        assert (await store.totals()).size == 50
        assert await store.finish(await claim_one(store), done(bytes(11)))
        over = await store.read(jobs[1].id)
        assert over is not None
        assert (over.state, over.status, over.code) == (JobState.FAILED, 503, "overloaded")
        assert "no room for the result of 11 bytes" in over.error
        assert (await store.totals()).size == 40

    run(place, case, max_count=3, max_size=50)


def test_a_job_that_nobody_runs_fails_in_time(place: str) -> None:
    async def case(store: JobStore) -> None:
        job = await store.add(request())

        async def has_ended(ended: Sequence[str]) -> bool:
            return list(ended) == [job.id]

        await until_tended(store, has_ended)
        over = await store.read(job.id)
        assert over is not None
        assert (over.state, over.code) == (JobState.FAILED, "deadline-exceeded")
        assert "--jobs-max-wait-s" in over.error
        assert await store.claim({"m": 1}) == []

    run(place, case, max_wait_s=0.01)


def test_a_job_is_forgotten_in_time(place: str) -> None:
    async def case(store: JobStore) -> None:
        job = await store.add(request(key="k"))
        await store.finish(await claim_one(store), done())

        async def is_forgotten(_: Sequence[str]) -> bool:
            return await store.read(job.id) is None

        await until_tended(store, is_forgotten)
        assert await store.read_result(job.id) is None
        totals = await store.totals()
        assert (totals.count, totals.size) == (0, 0)
        assert (await store.add(request(b"other", key="k"))).id != job.id

    run(place, case, result_ttl_s=0.01)


def test_a_callback_is_due_until_it_is_told_and_at_most_so_often(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("sqlite", "redis"):
        monkeypatch.setattr(f"naiad.jobs.{kind}.store.CALLBACK_DELAYS_S", (0.0,) * (CALLBACK_TRIES - 1))

    async def case(store: JobStore) -> None:
        told, never = await store.add(request(callback="http://a/")), await store.add(request(callback="http://b/"))
        silent = await store.add(request())
        assert await store.due(9) == []
        for claim in await store.claim({"m": 9}):
            await store.finish(claim, done())
        notices = await store.due(9)
        assert {notice.job.id for notice in notices} == {told.id, never.id} - {silent.id}
        assert {notice.left for notice in notices} == {CALLBACK_TRIES - 1}
        assert notices[0].job.state is JobState.DONE
        await store.told(told.id)
        lefts = [[(notice.job.id, notice.left) for notice in await store.due(9)] for _ in range(CALLBACK_TRIES)]
        assert lefts == [[(never.id, left)] for left in reversed(range(CALLBACK_TRIES - 1))] + [[]]

    run(place, case)


def test_listing(place: str) -> None:
    async def case(store: JobStore) -> None:
        jobs = [await store.add(request(model=name)) for name in ("a", "b", "a")]
        await store.claim({"b": 1})

        async def ids(*wanted: Any) -> list[str]:
            return [job.id for job in await store.list(*wanted)]

        assert await ids("", "", 9) == [job.id for job in reversed(jobs)]
        assert await ids("a", "", 1) == [jobs[2].id]
        assert await ids("", "running", 9) == [jobs[1].id]
        assert await ids("a", "running", 9) == []

    run(place, case)


def test_many_at_once(place: str) -> None:
    async def case(store: JobStore) -> None:
        jobs = await asyncio.gather(*(store.add(request(b"%d" % n)) for n in range(90)))
        taken = [
            claim for claims in await asyncio.gather(*(store.claim({"m": 7}) for _ in range(20))) for claim in claims
        ]
        assert sorted(claim.id for claim in taken) == sorted(job.id for job in jobs), "each once"
        assert all(await asyncio.gather(*(store.finish(claim, done(claim.request.body)) for claim in taken)))
        results = await asyncio.gather(*(store.read_result(job.id) for job in jobs))
        assert [result and result.body for result in results] == [b"%d" % n for n in range(90)]

    run(place, case)
