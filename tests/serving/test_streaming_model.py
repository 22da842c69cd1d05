"""A decoupled model over a streaming instance: any number of answers for a request, none included, to their end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import ModelFailed, NaiadError
from naiad.core.message import Answer, InferRequest, InferResponse
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.tensor import Tensor
from naiad.testing import FakeStream, engine

CONFIG = ModelConfig(
    "count",
    inputs=(TensorConfig("to", "INT32", (1,)),),
    outputs=(TensorConfig("n", "INT32", (1,)),),
    is_decoupled=True,
)


class Fixture:
    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.counted: list[int] = []
        self.instance = FakeStream(self._count, capacity=2)
        self.engine = engine(CONFIG, self.instance)
        self.model = self.engine.route("count")
        self._news = asyncio.Event()

    def _count(self, request: InferRequest) -> Iterator[InferResponse]:
        """Count up to the input, one answer for each number; fail at 13."""
        for number in range(int(request.inputs["to"].data[0])):
            if number == 13:
                raise ValueError("unlucky")
            self.counted.append(number)
            yield InferResponse("count", "1", [Tensor("n", "INT32", np.array([number], np.int32))])
            assert self.gate.wait(10)

    def ask(self, to: int) -> tuple[list[tuple[Answer, bool]], Any]:
        """The answers as they come, and how to withdraw the request."""
        answers: list[tuple[Answer, bool]] = []

        def deliver(answer: Answer, is_final: bool) -> None:
            assert not answers or not answers[-1][1], "nothing comes after the last"
            answers.append((answer, is_final))
            self._news.set()

        request = InferRequest("count", inputs={"to": Tensor("to", "INT32", np.array([to], np.int32))})
        return answers, self.engine.submit(self.model, request, deliver, takes_one=False)

    async def until_over(self, *all_answers: list[tuple[Answer, bool]]) -> None:
        async with asyncio.timeout(10):
            while not all(answers and answers[-1][1] for answers in all_answers):
                self._news.clear()
                await self._news.wait()

    async def until_first(self, answers: list[tuple[Answer, bool]]) -> None:
        async with asyncio.timeout(10):
            while not answers:
                self._news.clear()
                await self._news.wait()


def numbers(answers: list[tuple[Answer, bool]]) -> list[int]:
    return [
        int(answer.outputs[0].data[0]) for answer, _ in answers if isinstance(answer, InferResponse) and answer.outputs
    ]


@pytest.mark.parametrize("to", [0, 1, 5])
async def test_a_request_gets_as_many_answers_as_the_model_gives(to: int) -> None:
    fixture = Fixture()
    answers, _ = fixture.ask(to)
    await fixture.until_over(answers)
    assert numbers(answers) == list(range(to))
    assert len(answers) == to + 1, "the end comes by itself"
    fixture.model.close()


async def test_requests_run_side_by_side() -> None:
    fixture = Fixture()
    fixture.gate.clear()
    (first, _), (second, _) = fixture.ask(2), fixture.ask(3)
    await fixture.until_first(first)
    await fixture.until_first(second)
    fixture.gate.set()
    await fixture.until_over(first, second)
    assert (numbers(first), numbers(second)) == ([0, 1], [0, 1, 2])
    fixture.model.close()


async def test_a_failure_is_the_last_answer() -> None:
    fixture = Fixture()
    answers, _ = fixture.ask(20)
    await fixture.until_over(answers)
    assert numbers(answers) == list(range(13))
    assert isinstance(answers[-1][0], ModelFailed)
    fixture.model.close()


async def test_a_request_that_is_withdrawn_ends_at_once_and_the_model_hears_of_it() -> None:
    fixture = Fixture()
    fixture.gate.clear()
    answers, sender = fixture.ask(5)
    await fixture.until_first(answers)
    sender.cancel()
    assert isinstance(answers[-1][0], NaiadError)
    fixture.gate.set()
    await asyncio.wait_for(fixture.engine.drain(), 10)
    assert numbers(answers) == [0]
    assert len(fixture.instance.withdrawn) == 1
    assert fixture.counted[-1] <= 1, "it hears of it from the next send that returns"
    fixture.model.close()
