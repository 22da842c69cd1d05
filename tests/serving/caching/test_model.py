"""A model with a cache in front: what is answered again, what never is, and what is counted."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from naiad.core.contracts import Instances
from naiad.core.errors import Cancelled, InvalidRequest, ModelFailed
from naiad.core.message import Answer, InferRequest, InferResponse, RequestedOutput, SequenceStep
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.tensor import Tensor
from naiad.serving.caching.model import HASHED_BYTES, CachedModel, Caching
from naiad.serving.caching.store import ResponseCache
from naiad.serving.catalog import Catalog
from naiad.serving.engine import Engine
from naiad.serving.tensor_model import TensorModel
from naiad.testing import FakeInstance, ManualClock

CONFIG = ModelConfig(
    "twice",
    max_batch_size=4,
    inputs=(TensorConfig("x", "FP32", (-1,)),),
    outputs=(TensorConfig("y", "FP32", (-1,)), TensorConfig("z", "FP32", (-1,))),
    uses_response_cache=True,
)


def twice(request: InferRequest) -> InferResponse:
    """y = 2 x and z = x + 1, as far as they are wanted; negative numbers fail."""
    x = request.inputs["x"].data
    if x.min(initial=0) < 0:
        raise ModelFailed("negative")
    made = {"y": x * 2, "z": x + 1}
    wanted = [output.name for output in request.outputs] or list(made)
    return InferResponse("twice", "1", [Tensor(name, "FP32", made[name]) for name in wanted])


class Fixture:
    def __init__(self, size_bytes: int = 100_000, config: ModelConfig = CONFIG, **options: Any) -> None:
        self.instance = FakeInstance(twice)
        self.cache = ResponseCache(size_bytes, **options)
        self.engine = Engine(Catalog())
        self.model = self.load()

    def load(self) -> CachedModel:
        model = TensorModel(CONFIG, "1", Instances([self.instance]))
        served = Caching(self.cache, self.engine.worker)(model)
        assert isinstance(served, CachedModel)
        self.engine.catalog.swap(list(self.engine.catalog.models()), [served])
        return served

    async def ask(self, *values: float, **more: Any) -> InferResponse:
        return await self.engine.infer(request(*values, **more))

    @property
    def counts(self) -> tuple[int, int, int, int, int, int]:
        """Success, queue, hits, misses, inferences, executions."""
        found = self.model.statistics
        return (
            found.success.count,
            found.queue.count,
            found.cache_hit.count,
            found.cache_miss.count,
            found.inference_count,
            found.execution_count,
        )


def request(*values: float, **more: Any) -> InferRequest:
    return InferRequest("twice", inputs={"x": Tensor("x", "FP32", np.array([values], np.float32))}, **more)


def values_of(response: InferResponse) -> dict[str, Any]:
    return {tensor.name: tensor.data.tolist() for tensor in response.outputs}


async def test_an_equal_request_is_answered_without_running() -> None:
    fixture = Fixture()
    first = await fixture.ask(1, 2, id="a")
    again = await fixture.ask(1, 2, id="b")
    assert values_of(again) == values_of(first) == {"y": [[2.0, 4.0]], "z": [[2.0, 3.0]]}
    assert (again.id, again.model_name, again.model_version) == ("b", "twice", "1")
    assert len(fixture.instance.batches) == 1


async def test_a_hit_counts_as_a_success_but_as_no_inference() -> None:
    fixture = Fixture()
    for _ in range(3):
        await fixture.ask(1)
    assert fixture.counts == (3, 3, 2, 1, 1, 1)
    assert (fixture.cache.statistics.hits, fixture.cache.statistics.misses) == (2, 1)
    stats = fixture.model.statistics.as_json()["inference_stats"]
    assert stats["cache_hit"]["count"] == 2
    assert stats["compute_infer"]["count"] == 1
    assert 0 < stats["cache_hit"]["ns"] < stats["success"]["ns"]


async def test_other_outputs_are_another_request() -> None:
    fixture = Fixture()
    wanted = [(), ("y",), ("z",), ("z", "y")]
    for _ in range(2):
        for names in wanted:
            answer = await fixture.ask(1, outputs=tuple(map(RequestedOutput, names)))
            assert tuple(values_of(answer)) == (names or ("y", "z"))
    assert fixture.counts[2:4] == (4, 4)


async def test_classes_are_made_anew_of_what_is_kept() -> None:
    fixture = Fixture()
    answers = [await fixture.ask(1, 2, outputs=(RequestedOutput("y", class_count=count),)) for count in (1, 0, 2)]
    assert [answer.outputs[0].data.tolist() for answer in answers] == [
        [[b"4.000000:1"]],
        [[2.0, 4.0]],
        [[b"4.000000:1", b"2.000000:0"]],
    ]
    assert fixture.counts[2:4] == (2, 1)


async def test_whoever_changes_an_answer_changes_nobody_elses() -> None:
    fixture = Fixture()
    (await fixture.ask(1)).outputs[0].data[...] = 99
    hit = await fixture.ask(1)
    hit.outputs[0].data = hit.outputs[0].data * 0
    assert values_of(await fixture.ask(1))["y"] == [[2.0]]


async def test_errors_are_not_kept() -> None:
    fixture = Fixture()
    for _ in range(2):
        with pytest.raises(ModelFailed):
            await fixture.ask(-1)
    assert len(fixture.instance.batches) == 2
    assert fixture.counts[2:4] == (0, 0)
    assert fixture.cache.statistics.entries == 0


async def test_requests_that_do_not_suit_are_refused_as_without_a_cache() -> None:
    fixture = Fixture()
    for _ in range(2):
        with pytest.raises(InvalidRequest, match="unexpected inference output 'w'"):
            await fixture.ask(1, outputs=(RequestedOutput("w"),))
    wrong = InferRequest("twice", inputs={"x": Tensor("x", "FP32", np.zeros((1, 1), np.int8))})
    fixture.instance.answer = _fail
    with pytest.raises(ModelFailed):
        await fixture.engine.infer(wrong)
    assert fixture.counts[0] == 0


def _fail(_: Any) -> Any:
    raise ModelFailed("wrong array")


async def test_requests_of_a_sequence_always_run() -> None:
    fixture = Fixture()
    for _ in range(2):
        await fixture.ask(1, sequence=SequenceStep(7, is_first=True))
    assert len(fixture.instance.batches) == 2
    assert fixture.cache.statistics.misses == 0


async def test_an_answer_that_does_not_fit_is_given_and_not_kept() -> None:
    fixture = Fixture(2000)
    for _ in range(2):
        assert len((await fixture.ask(*[1.0] * 500)).outputs) == 2
    assert fixture.counts == (2, 2, 0, 2, 2, 2)
    assert fixture.cache.statistics.entries == 0


async def test_answers_grow_too_old() -> None:
    clock = ManualClock()
    fixture = Fixture(ttl_s=10.0, clock=clock)
    for seconds in (0, 9, 1, 9):
        clock.advance(seconds)
        await fixture.ask(1)
    assert fixture.counts[2:4] == (2, 2)


async def test_a_model_that_is_loaded_anew_gives_no_old_answers_and_the_old_ones_are_dropped() -> None:
    fixture = Fixture()
    old = fixture.model
    for value in range(3):
        await fixture.ask(value)
    fixture.load()
    await old.drain()
    assert fixture.cache.statistics.entries == fixture.cache.statistics.used_bytes == 0
    fixture.instance.answer = lambda _: InferResponse("twice", "1", [Tensor("y", "FP32", np.float32([[5]]))])
    assert values_of(await fixture.ask(1)) == {"y": [[5.0]]}


async def test_long_requests_are_hashed_beside_the_loop_and_answered_alike() -> None:
    fixture = Fixture(10_000_000)
    values = np.zeros(HASHED_BYTES // 4 + 1)
    try:
        first, again = [await fixture.ask(*values, id=one) for one in "ab"]
    finally:
        fixture.engine.worker.close()
    assert values_of(first) == values_of(again)
    assert again.id == "b"
    assert fixture.counts == (2, 2, 1, 1, 1, 1)


async def test_a_long_request_that_is_withdrawn_does_not_run_and_drain_waits_for_those_that_are_hashed() -> None:
    fixture = Fixture(10_000_000)
    answers: list[Answer] = []
    long = [0.0] * (HASHED_BYTES // 4 + 1)
    try:
        senders = [
            fixture.engine.submit(fixture.model, request(*long, id=one), lambda answer, _: answers.append(answer))
            for one in "ab"
        ]
        senders[0].cancel()
        assert isinstance(answers[0], Cancelled)
        await fixture.model.drain()
    finally:
        fixture.engine.worker.close()
    assert [type(answer) for answer in answers] == [Cancelled, InferResponse]
    assert len(fixture.instance.batches) == 1


async def test_a_long_request_that_does_not_suit_is_refused() -> None:
    fixture = Fixture()
    try:
        with pytest.raises(InvalidRequest, match="unexpected inference output 'w'"):
            await fixture.ask(*[0.0] * (HASHED_BYTES // 4 + 1), outputs=(RequestedOutput("w"),))
    finally:
        fixture.engine.worker.close()


async def test_equal_requests_at_the_same_time_are_all_answered() -> None:
    fixture = Fixture()
    answers = await asyncio.gather(*(fixture.ask(1) for _ in range(3)))
    assert [values_of(answer)["y"] for answer in answers] == [[[2.0]]] * 3
    assert fixture.cache.statistics.entries == 1
    await fixture.ask(1)
    assert fixture.counts[2:4] == (1, 3)


def test_a_model_that_does_not_ask_for_it_has_no_cache_in_front(caplog: pytest.LogCaptureFixture) -> None:
    cache, worker = ResponseCache(1000), Engine(Catalog()).worker
    plain = TensorModel(ModelConfig("plain"), "1", Instances((FakeInstance(),)))
    assert Caching(cache, worker)(plain) is plain
    asking = TensorModel(CONFIG, "1", Instances((FakeInstance(),)))
    assert caplog.messages == []
    assert Caching(None, worker)(asking) is asking
    assert caplog.messages == [
        "model 'twice': response_cache has no effect without a cache; give the server --cache-config local,size=BYTES"
    ]


async def test_after_a_hit_the_loop_stays_awake_for_a_moment() -> None:
    """As after a run on it, because the same client asks again soon; waking up costs more than the hit."""
    fixture = Fixture()
    await fixture.ask(1.0)
    lingering = fixture.model._lingering
    assert lingering is not None
    assert lingering.looks_left == 0
    await fixture.ask(1.0)
    assert lingering.looks_left > 0
    fixture.model.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert lingering.looks_left == 0
