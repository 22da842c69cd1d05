"""The fakes keep the contracts that they stand for, and say what they saw."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from naiad.core.contracts import Batch
from naiad.core.errors import ModelFailed
from naiad.core.message import Answer, InferRequest, InferResponse
from naiad.core.tensor import Tensor
from naiad.testing import FakeInstance, FakeStream, engine

CONFIG = """
name: "twice"
max_batch_size: 4
input  { name: "x" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "y" data_type: TYPE_INT32 dims: [ 1 ] }
"""


def request(number: int) -> InferRequest:
    return InferRequest("twice", inputs={"x": Tensor("x", "INT32", np.array([[number]], np.int32))})


def twice(request: InferRequest) -> InferResponse:
    number = request.inputs["x"].data
    if number.item() == 13:
        raise ValueError("unlucky")
    return InferResponse("twice", "1", [Tensor("y", "INT32", number * 2)])


async def test_an_engine_answers_by_a_function_and_the_instance_remembers() -> None:
    instance = FakeInstance(twice)
    subject = engine(CONFIG, instance, version="3")
    requests = [request(number) for number in (1, 2)]
    answers = await asyncio.gather(*map(subject.infer, requests))
    assert [answer.outputs[0].data.item() for answer in answers] == [2, 4]
    assert answers[0].model_version == "3"
    assert instance.batches == [requests]
    assert threading.get_ident() not in instance.threads
    with pytest.raises(ModelFailed, match="ValueError: unlucky"):
        await subject.infer(request(13))
    subject.route("twice").close()
    assert instance.is_closed


async def test_a_held_instance_runs_nothing_until_it_is_released() -> None:
    instance = FakeInstance(twice, is_held=True)
    subject = engine(CONFIG, instance)
    first = asyncio.ensure_future(subject.infer(request(1)))
    assert await asyncio.to_thread(instance.started.acquire, timeout=10)
    later = [asyncio.ensure_future(subject.infer(request(number))) for number in (2, 3)]
    await asyncio.sleep(0)
    assert (instance.batches, first.done()) == ([], False)
    instance.release()
    await asyncio.gather(first, *later)
    assert [len(batch) for batch in instance.batches] == [1, 2]


async def test_a_stream_gives_any_number_of_answers() -> None:
    stream = FakeStream(lambda request: map(twice, [request] * 2))
    subject = engine(CONFIG + "model_transaction_policy { decoupled: true }", stream)
    answers: list[tuple[Answer, bool]] = []
    over = asyncio.Event()

    def deliver(answer: Answer, is_final: bool) -> None:
        answers.append((answer, is_final))
        if is_final:
            over.set()

    subject.submit(subject.route("twice"), request(4), deliver, takes_one=False)
    await asyncio.wait_for(over.wait(), 10)
    given = [
        answer.outputs[0].data.item() for answer, _ in answers if isinstance(answer, InferResponse) and answer.outputs
    ]
    assert given == [8, 8]


def test_items_come_back_where_no_function_is_given() -> None:
    assert FakeInstance().execute(Batch(["a", "b"])) == ["a", "b"]
