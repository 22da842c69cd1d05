"""Every kind of scheduler over every kind of instance: each job is answered to its end, exactly once, whatever happens.

The kinds are those of `scheduler_house.py`.
"""

from __future__ import annotations

import asyncio

import pytest
from newest_first import NEWEST_FIRST
from scheduler_house import CONFIGS, House

from naiad.core.errors import Cancelled, DeadlineExceeded, Failed, InvalidRequest, NaiadError, NotReady, Overloaded
from naiad.scheduling.kinds import KINDS


def test_every_kind_is_held_to_this_contract() -> None:
    assert sorted(CONFIGS) == sorted(kind.name for kind in [NEWEST_FIRST, *KINDS])


async def test_every_job_is_answered_once(house: House) -> None:
    house.submit(*range(5))
    house.scheduler.submit_all([house.job(item) for item in range(5, 8)])
    assert house.scheduler.pending == 8
    await house.until(8)
    await house.scheduler.quiet()
    assert house.scheduler.pending == 0
    assert house.results() == {item: item for item in range(8)}


async def test_a_job_that_waits_is_cancelled_at_once(house: House) -> None:
    await house.submit_and_begin("runs")
    (waits,) = house.submit("waits")
    assert house.scheduler.cancel(waits)
    assert not house.scheduler.cancel(waits)
    assert [type(result) for _, result in house.told] == [Cancelled]
    house.instance.gate.set()
    await house.until(2)
    assert house.results()["runs"] == "runs"


async def test_a_job_that_runs_is_not_cancelled_and_ends_as_ever(house: House) -> None:
    running = await house.submit_and_begin("runs")
    assert not house.scheduler.cancel(running)
    house.instance.gate.set()
    await house.until(1)
    assert house.results() == {"runs": "runs"}
    assert not house.scheduler.cancel(running)


async def test_drain_answers_everything_and_refuses_what_comes_later(house: House) -> None:
    await house.submit_and_begin("runs")
    house.submit("waits")
    draining = asyncio.ensure_future(house.scheduler.drain())
    await asyncio.sleep(0)
    for late in (lambda: house.submit("late"), lambda: house.scheduler.submit_all([house.job("late")])):
        with pytest.raises(NotReady, match="Server is stopping"):
            late()
    assert not draining.done()
    house.instance.gate.set()
    await asyncio.wait_for(draining, 10)
    assert house.results() == {"runs": "runs", "waits": "waits"}


async def test_drain_of_a_scheduler_with_nothing_to_do_returns(house: House) -> None:
    await house.scheduler.quiet()
    await house.scheduler.drain()


async def test_close_answers_what_waits_and_lets_what_runs_end(house: House) -> None:
    await house.submit_and_begin("runs")
    house.submit("waits")
    house.instance.gate.set()
    house.scheduler.close()
    await house.until(2)
    results = house.results()
    assert type(results["waits"]) is NotReady
    assert results["runs"] == "runs" or type(results["runs"]) is NotReady


async def test_who_closes_from_another_thread_tells_nobody_there(house: House) -> None:
    """Owners were told in the thread that closes, where the loop's futures do not notice."""
    await house.submit_and_begin("runs")
    house.submit("waits", "too")
    closing = asyncio.ensure_future(asyncio.to_thread(house.scheduler.close))
    await house.until(2)
    assert {item: type(result) for item, result in house.told} == {"waits": NotReady, "too": NotReady}
    house.instance.gate.set()
    await asyncio.wait_for(closing, 10)
    await house.until(3)


async def test_an_error_of_an_item_is_its_own(house: House) -> None:
    house.submit("one", "bad", "two")
    await house.until(3)
    results = house.results()
    assert type(results.pop("bad")) is InvalidRequest
    assert results == {"one": "one", "two": "two"}


async def test_an_exception_is_an_answer_and_the_next_batch_runs(house: House) -> None:
    house.submit("before", "boom")
    await house.until(2)
    house.submit("after")
    await house.until(3)
    results = house.results()
    failed = results.pop("boom")
    assert isinstance(failed, Failed)
    assert failed.message == "ValueError: broken model"
    assert results == {"before": "before", "after": "after"}


async def test_a_full_queue_refuses_and_takes_again_when_there_is_room(house: House) -> None:
    await house.submit_and_begin("runs")
    (first, *_) = house.submit(*range(8))
    with pytest.raises(Overloaded, match="Exceeds maximum queue size"):
        house.submit("one too many")
    house.scheduler.cancel(first)
    with pytest.raises(Overloaded):
        house.scheduler.submit_all([house.job("fits"), house.job("does not")])
    house.submit("fits")
    house.instance.gate.set()
    await house.until(10)
    assert {item for item, result in house.told if not isinstance(result, NaiadError)} == {"runs", *range(1, 8), "fits"}


async def test_a_job_whose_time_is_over_leaves_the_queue(house: House) -> None:
    await house.submit_and_begin("runs")
    house.scheduler.submit(house.job("late"), timeout_us=60_000_000)
    house.clock.advance(61.0)
    house.submit("in time")
    await house.until(1)
    assert [type(result) for _, result in house.told] == [DeadlineExceeded]
    house.instance.gate.set()
    await house.until(3)
    assert {**house.results(), "late": None} == {"runs": "runs", "late": None, "in time": "in time"}
