"""Sequences over instances: what runs together, what is told to whom, and what a failure costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest

from naiad.core.contracts import Instances
from naiad.core.errors import Cancelled, InvalidRequest, ModelFailed, NaiadError, NotReady, Rescheduled
from naiad.core.message import InferRequest, InferResponse, SequenceStep
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.model.sequences import OldestFirst, SequenceBatching, SequenceControl
from naiad.core.tensor import Tensor
from naiad.scheduling.contract import Execution, Job
from naiad.scheduling.kinds import open_scheduler
from naiad.testing import FakeInstance, ManualClock

X = TensorConfig("x", "INT32", (1,))
CONTROLS = tuple(SequenceControl(kind, kind, "INT32") for kind in ("START", "END", "READY"))


def config(max_batch_size: int = 4, **batching: Any) -> ModelConfig:
    return ModelConfig(
        "m",
        max_batch_size=max_batch_size,
        inputs=(X,),
        outputs=(X,),
        sequence_batching=SequenceBatching(CONTROLS, **{"max_idle_s": 100.0, **batching}),
    )


def value(request: InferRequest) -> int:
    return int(request.inputs["x"].data.item())


def flags(request: InferRequest) -> str:
    return "".join(kind[0] for kind in ("START", "END", "READY") if request.inputs[kind].data.item())


def give_back(request: InferRequest) -> InferResponse:
    return InferResponse("m", "1", [request.inputs["x"]])


class House:
    """A scheduler over instances, and what its jobs were told."""

    def __init__(self, asked: ModelConfig, *instances: Any) -> None:
        self.clock = ManualClock()
        self.instances = instances or (FakeInstance(give_back),)
        self.sizes: list[tuple[int, int]] = []
        self.scheduler: Any = open_scheduler(
            asked, Instances(self.instances), self._count, max_waiting=50, clock=self.clock
        )
        self.told: list[tuple[int, Any]] = []
        self._news = asyncio.Event()

    def _count(self, run: Execution) -> None:
        self.sizes.append((run.size, run.successes))

    def submit(self, number: int, name: Any, is_first: bool = False, is_last: bool = False, rows: int = 1) -> Job:
        data = np.full((rows, 1), number, np.int32)
        request = InferRequest("m", inputs={"x": Tensor.of("x", data)}, sequence=SequenceStep(name, is_first, is_last))
        job = Job(request, rows, self._done)
        self.scheduler.submit(job)
        return job

    def _done(self, job: Job, result: Any, is_final: bool) -> None:
        assert is_final
        number = int(job.item.inputs["x"].data[0, 0])
        self.told.append((number, result if isinstance(result, NaiadError) else result.outputs[0].data.item()))
        self._news.set()

    @property
    def batches(self) -> list[list[tuple[int, str]]]:
        """Of the first instance, by execution and row: value and flags."""
        return [[(value(item), flags(item)) for item in batch] for batch in self.instances[0].batches]

    async def quiet(self) -> None:
        await asyncio.wait_for(self.scheduler.quiet(), 10)

    async def until_told(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.told) < count:
                self._news.clear()
                await self._news.wait()


@pytest.fixture
async def open_house() -> AsyncIterator[Callable[..., House]]:
    houses: list[House] = []

    def make(*args: Any) -> House:
        houses.append(House(*args))
        return houses[-1]

    yield make
    for house in houses:
        for instance in house.instances:
            instance.release()
        house.scheduler.close()


async def test_direct_rows_stay_where_they_are_and_absent_ones_are_not_ready(open_house: Any) -> None:
    house = open_house(config())
    for name in "abc":
        house.submit(1, name, is_first=True)
    await house.quiet()
    house.submit(2, "c")
    await house.quiet()
    house.submit(3, "a")
    house.submit(3, "c", is_last=True)
    await house.quiet()
    assert house.batches == [
        [(1, "SR"), (1, "SR"), (1, "SR")],
        [(0, ""), (0, ""), (2, "R")],
        [(3, "R"), (0, ""), (3, "ER")],
    ]
    assert house.told == [(1, 1), (1, 1), (1, 1), (2, 2), (3, 3), (3, 3)]
    assert house.sizes == [(3, 3), (3, 1), (3, 2)]


async def test_oldest_joins_what_is_ready_one_step_of_each(open_house: Any) -> None:
    house = open_house(config(2, oldest=OldestFirst(max_candidates=3)))
    for name in ("a", "b", "c"):
        house.submit(1, name, is_first=True)
        house.submit(2, name, is_last=True)
    await house.quiet()
    assert house.batches == [
        [(1, "SR"), (1, "SR")],
        [(1, "SR"), (2, "ER")],
        [(2, "ER"), (2, "ER")],
    ]


async def test_oldest_has_preferred_sizes_and_a_delay(open_house: Any) -> None:
    house = open_house(config(4, oldest=OldestFirst(8, (2,), max_queue_delay_s=5.0)))
    house.submit(1, "a", is_first=True)
    for _ in range(3):
        await asyncio.sleep(0)
    assert house.batches == []
    house.submit(2, "b", is_first=True)
    house.submit(3, "c", is_first=True)
    await house.until_told(2)
    assert house.batches == [[(1, "SR"), (2, "SR")]]
    house.clock.advance(5.0)
    house.scheduler.turn()
    await house.quiet()
    assert house.batches[1:] == [[(3, "SR")]]


async def test_direct_waits_for_enough_rows(open_house: Any) -> None:
    house = open_house(config(4, max_queue_delay_s=5.0, minimum_slot_utilization=0.5))
    house.submit(1, "a", is_first=True)
    for _ in range(3):
        await asyncio.sleep(0)
    assert house.batches == []
    house.clock.advance(5.0)
    house.scheduler.turn()
    await house.quiet()
    assert house.batches == [[(1, "SR")]]


async def test_sequences_are_spread_over_instances_and_stay_there(open_house: Any) -> None:
    instances = FakeInstance(give_back), FakeInstance(give_back)
    house = open_house(config(4), *instances)
    for number in range(3):
        for name in ("a", "b"):
            house.submit(number, name, is_first=number == 0)
        await house.quiet()
    assert [[[value(item) for item in batch] for batch in one.batches] for one in instances] == [[[0], [1], [2]]] * 2


@pytest.mark.parametrize(
    ("step", "rows", "words"),
    [
        (None, 1, "must specify a non-zero or non-empty correlation ID"),
        (SequenceStep(0, True), 1, "must specify a non-zero or non-empty correlation ID"),
        (SequenceStep("", True), 1, "must specify a non-zero or non-empty correlation ID"),
        (SequenceStep(5, True), 2, "must specify batch-size 1 due to requirements of sequence batcher"),
        (SequenceStep(5, False), 1, "sequence 5 to model 'm' must specify the START flag on the first request"),
    ],
)
async def test_what_is_no_step_is_refused(open_house: Any, step: Any, rows: int, words: str) -> None:
    house = open_house(config())
    with pytest.raises(InvalidRequest, match=words):
        house.scheduler.submit(Job(InferRequest("m", sequence=step), rows, lambda *_: None))
    assert house.scheduler.pending == 0


async def test_jobs_that_belong_together_are_taken_all_or_none(open_house: Any) -> None:
    house = open_house(config())
    jobs = [
        Job(InferRequest("m", sequence=SequenceStep(name, is_first)), 1, lambda *_: None)
        for name, is_first in ((1, True), (2, True), (3, False))
    ]
    with pytest.raises(InvalidRequest, match="START flag"):
        house.scheduler.submit_all(jobs)
    assert (house.scheduler.pending, house.scheduler.count_sequences()) == (0, (0, 0))


async def test_a_failed_instance_ends_the_sequences_of_its_batch_by_name(
    open_house: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(request: InferRequest) -> InferResponse:
        if value(request) == 1:
            raise ValueError("broken model")
        return give_back(request)

    instance = FakeInstance(fail, is_held=True)
    house = open_house(config(2), instance)
    house.submit(0, "a", is_first=True)
    house.submit(1, "b", is_first=True)
    house.submit(2, "a")
    house.submit(3, "b")
    house.submit(4, "c", is_first=True)
    instance.release()
    await house.until_told(5)
    told = dict(house.told)
    assert [told[number].message for number in (0, 1)] == ["ValueError: broken model"] * 2
    for number, name in ((2, "a"), (3, "b")):
        assert type(told[number]) is ModelFailed
        assert told[number].detail == {"sequence": name}
        assert told[number].message == (
            f"sequence {name} of model 'm' has ended, because its instance failed: ValueError: broken model"
        )
    assert told[4] == 4
    assert len(instance.batches) == 2, "what failed is not run again"
    assert {record.message for record in caplog.records if record.name == "naiad.scheduling"} >= {
        "sequence a of model 'm' has ended: ValueError: broken model",
        "sequence b of model 'm' has ended: ValueError: broken model",
    }
    with pytest.raises(InvalidRequest, match="START flag"):
        house.submit(5, "a")


async def test_an_error_of_one_step_ends_nothing(open_house: Any) -> None:
    house = open_house(config(), FakeInstance(lambda item: ModelFailed("no") if value(item) == 1 else give_back(item)))
    for number in range(3):
        house.submit(number, "a", is_first=number == 0)
    await house.quiet()
    assert [result if number != 1 else result.message for number, result in house.told] == [0, "no", 2]


async def test_cancelling_a_step_cancels_those_after_it(open_house: Any) -> None:
    instance = FakeInstance(give_back, is_held=True)
    house = open_house(config(), instance)
    jobs = [house.submit(number, "a", is_first=number == 0) for number in range(4)]
    await asyncio.sleep(0)
    assert house.scheduler.cancel(jobs[2])
    assert [(number, type(result)) for number, result in house.told] == [(2, Cancelled), (3, Cancelled)]
    instance.release()
    await house.quiet()
    assert house.told[2:] == [(0, 0), (1, 1)]
    assert house.scheduler.count_sequences() == (0, 0)


async def test_an_idle_sequence_makes_room(open_house: Any) -> None:
    house = open_house(config(1))
    house.submit(1, "a", is_first=True)
    await house.quiet()
    house.submit(2, "b", is_first=True)
    assert house.scheduler.count_sequences() == (1, 1)
    house.clock.advance(100.0)
    house.scheduler.turn()
    await house.quiet()
    assert house.told == [(1, 1), (2, 2)]


async def test_drain_runs_the_backlog_though_nobody_ends_the_others(open_house: Any) -> None:
    house = open_house(config(1))
    house.submit(1, "a", is_first=True)
    house.submit(2, "b", is_first=True)
    house.submit(3, "b")
    await asyncio.wait_for(house.scheduler.drain(), 10)
    assert house.told == [(1, 1), (2, 2), (3, 3)]
    with pytest.raises(NotReady, match="Server is stopping"):
        house.submit(4, "c", is_first=True)


async def test_close_answers_every_step_once(open_house: Any) -> None:
    instance = FakeInstance(give_back, is_held=True)
    house = open_house(config(1), instance)
    for number, name in enumerate("aabb"):
        house.submit(number, name, is_first=number % 2 == 0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    instance.release()
    house.scheduler.close()
    await house.until_told(4)
    assert sorted(number for number, _ in house.told) == [0, 1, 2, 3]
    assert {type(result) for number, result in house.told if number > 0} == {NotReady}


async def test_an_iterative_request_runs_until_it_is_done_and_stays_as_it_is(open_house: Any) -> None:
    left = {1: 3, 2: 1}

    def run(request: InferRequest) -> Any:
        left[value(request)] -= 1
        return Rescheduled() if left[value(request)] else give_back(request)

    house = open_house(config(is_iterative=True, oldest=OldestFirst()), FakeInstance(run))
    asked = [
        InferRequest("m", inputs={"x": Tensor.of("x", np.full((1, 1), number, np.int32))}, sequence=step)
        for number, step in ((1, SequenceStep("mine", is_first=True)), (2, None))
    ]
    for request in asked:
        house.scheduler.submit(Job(request, 1, house._done))
    await house.until_told(2)
    assert house.told == [(2, 2), (1, 1)]
    assert house.batches == [[(1, "SR"), (2, "SR")], [(1, "R")], [(1, "R")]]
    assert [request.sequence for request in asked] == [SequenceStep("mine", is_first=True), None]
    assert house.scheduler.count_sequences() == (0, 0)


async def test_ids_that_are_given_out_are_nobodys(open_house: Any) -> None:
    house = open_house(config(is_iterative=True), FakeInstance(give_back))
    ids: list[Any] = []
    for step in (SequenceStep(1, is_first=True), None, SequenceStep(3, is_first=True), None):
        request = InferRequest("m", inputs={"x": Tensor.of("x", np.ones((1, 1), np.int32))}, sequence=step)
        job = Job(request, 1, house._done)
        house.scheduler.submit(job)
        ids.append(job.sequence.id)
    assert ids == [1, 2, 3, 4]
    await house.quiet()


async def test_a_withdrawn_iterative_request_is_not_run_again(open_house: Any) -> None:
    instance = FakeInstance(lambda _: Rescheduled(), is_held=True)
    house = open_house(config(is_iterative=True), instance)
    job = Job(InferRequest("m", inputs={"x": Tensor.of("x", np.ones((1, 1), np.int32))}), 1, house._done)
    house.scheduler.submit(job)
    assert await asyncio.to_thread(instance.started.acquire, True, 10)
    assert not house.scheduler.cancel(job)
    instance.release()
    await house.until_told(1)
    assert [type(result) for _, result in house.told] == [Cancelled]
    assert (len(instance.batches), house.scheduler.count_sequences()) == (1, (0, 0))
