"""Tensor requests: joined, answered once, counted, cancelled, bounded; all through the engine."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import Cancelled, InvalidRequest, NotFound, NotReady, Overloaded
from naiad.core.message import Answer, InferRequest, InferResponse, RequestedOutput
from naiad.core.model.config import DynamicBatching, ModelConfig, QueuePolicy, TensorConfig
from naiad.core.tensor import Tensor
from naiad.testing import FakeInstance, engine

CONFIG = ModelConfig(
    "twice",
    max_batch_size=4,
    inputs=(TensorConfig("x", "FP32", (-1,)),),
    outputs=(TensorConfig("y", "FP32", (-1,)),),
)


def twice(request: InferRequest) -> InferResponse:
    """y = 2 x."""
    return InferResponse("twice", "1", [Tensor("y", "FP32", request.inputs["x"].data * 2)])


class Fixture:
    def __init__(self, config: ModelConfig = CONFIG, **options: Any) -> None:
        self.instance = FakeInstance(twice)
        self.engine = engine(config, self.instance, **options)
        self.model = self.engine.route(config.name)

    @property
    def batch_sizes(self) -> list[int]:
        return [len(batch) for batch in self.instance.batches]


def request(*rows: list[float], **more: Any) -> InferRequest:
    return InferRequest("twice", inputs={"x": Tensor("x", "FP32", np.array(rows, np.float32))}, **more)


async def test_requests_are_joined_and_answers_stay_apart() -> None:
    fixture = Fixture()
    answers = await asyncio.gather(*(fixture.engine.infer(request([value])) for value in (1.0, 2.0, 3.0)))
    assert [answer.outputs[0].data.tolist() for answer in answers] == [[[2.0]], [[4.0]], [[6.0]]]
    assert fixture.batch_sizes == [3]
    assert (answers[0].model_version, fixture.model.statistics.inference_count) == ("1", 3)


async def test_other_shapes_do_not_share_a_batch() -> None:
    fixture = Fixture()
    await asyncio.gather(fixture.engine.infer(request([1.0])), fixture.engine.infer(request([1.0, 2.0])))
    assert fixture.batch_sizes == [1, 1]


async def test_cancelling_the_await_withdraws_the_request() -> None:
    fixture = Fixture()
    fixture.instance.hold()
    running = asyncio.ensure_future(fixture.engine.infer(request([1.0])))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting = asyncio.ensure_future(fixture.engine.infer(request([2.0])))
    await asyncio.sleep(0)
    assert fixture.model.statistics.count_pending() == 1
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert fixture.model.statistics.count_pending() == 0
    assert fixture.model.statistics.failures["CANCELED"] == 1
    fixture.instance.release()
    assert (await running).outputs[0].data.tolist() == [[2.0]]


async def test_cancel_answers_once() -> None:
    fixture = Fixture()
    answers: list[Answer] = []
    sender = fixture.engine.submit(fixture.model, request([1.0]), lambda answer, last: answers.append(answer))
    sender.cancel()
    sender.cancel()
    await fixture.engine.drain()
    assert [type(answer) for answer in answers] == [Cancelled]


@pytest.mark.parametrize(
    ("config", "options"),
    [
        (CONFIG, {"max_waiting": 1}),
        (
            ModelConfig(
                "twice",
                max_batch_size=4,
                inputs=CONFIG.inputs,
                outputs=CONFIG.outputs,
                dynamic_batching=DynamicBatching(default_queue_policy=QueuePolicy(max_queue_size=1)),
            ),
            {},
        ),
    ],
    ids=["the server's bound", "the model's bound"],
)
async def test_a_full_queue_refuses(config: ModelConfig, options: dict[str, Any]) -> None:
    fixture = Fixture(config, **options)
    results = await asyncio.gather(*(fixture.engine.infer(request([1.0])) for _ in range(2)), return_exceptions=True)
    assert [type(result) for result in results] == [InferResponse, Overloaded]
    assert fixture.model.statistics.failures["REJECTED"] == 1


async def test_what_never_suited_the_model_arrives_as_an_answer_and_is_no_failure_of_it() -> None:
    fixture = Fixture()
    with pytest.raises(InvalidRequest, match="unexpected inference output 'z'"):
        await fixture.engine.infer(request([1.0], outputs=(RequestedOutput("z"),)))
    assert set(fixture.model.statistics.failures.values()) == {0}


async def test_after_drain_nothing_is_accepted() -> None:
    fixture = Fixture()
    await fixture.engine.drain()
    with pytest.raises(NotReady, match="Server exiting"):
        await fixture.engine.infer(request([1.0]))


async def test_classification_uses_the_labels() -> None:
    fixture = Fixture(labels={"y": ["low", "mid", "high"]})
    asked = request([0.5, -1.0, 4.0], outputs=(RequestedOutput("y", class_count=2),))
    answer = await fixture.engine.infer(asked)
    assert answer.outputs[0].data.tolist() == [[b"8.000000:2:high", b"1.000000:0:low"]]


async def test_a_request_that_runs_is_withdrawn_at_once_and_its_result_ignored() -> None:
    fixture = Fixture()
    fixture.instance.hold()
    answers: list[Answer] = []
    sender = fixture.engine.submit(fixture.model, request([1.0]), lambda answer, last: answers.append(answer))
    await asyncio.sleep(0)
    await asyncio.to_thread(fixture.instance.started.acquire)
    sender.cancel()
    assert [type(answer) for answer in answers] == [Cancelled]
    fixture.instance.release()
    await fixture.engine.drain()
    assert len(answers) == 1
    assert fixture.model.statistics.failures["CANCELED"] == 1


async def test_an_unknown_model_is_not_routed() -> None:
    with pytest.raises(NotFound, match="'nope' is not found"):
        Fixture().engine.route("nope")


OPTIONAL = (TensorConfig("x", "FP32", (-1,)), TensorConfig("z", "FP32", (-1,), optional=True))


async def test_requests_share_a_batch_if_they_have_the_same_optional_inputs() -> None:
    config = ModelConfig("twice", max_batch_size=4, inputs=OPTIONAL, outputs=CONFIG.outputs)
    fixture = Fixture(config)

    def ask(*names: str) -> InferRequest:
        tensors = {name: Tensor(name, "FP32", np.ones((1, 2), np.float32)) for name in names}
        return InferRequest("twice", inputs=tensors)

    asked = (("x",), ("x",), ("x", "z"), ("z", "x"), ("x",))
    await asyncio.gather(*(fixture.engine.infer(ask(*names)) for names in asked))
    assert fixture.batch_sizes == [2, 2, 1]


@pytest.mark.parametrize("max_batch_size", [0, 4])
async def test_a_request_without_inputs_needs_a_model_without_rows(max_batch_size: int) -> None:
    config = ModelConfig(
        "none", max_batch_size=max_batch_size, inputs=(TensorConfig("z", "FP32", (1,), optional=True),)
    )
    instance = FakeInstance(lambda _: InferResponse("none", "1", []))
    asked = engine(config, instance).infer(InferRequest("none"))
    if max_batch_size:
        with pytest.raises(InvalidRequest, match="out of bounds index 0: request has 0 inputs; at least one must say"):
            await asked
    else:
        assert (await asked).outputs == []
