"""`max_inflight_requests` reaches the model that streams: it makes one answer more than may be under way, not all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from ensemble_fixture import Fixture, answer, plus_one, turns

from naiad.core.message import InferRequest, InferResponse
from naiad.testing import FakeInstance, FakeStream

MANY = 40


class Streams:
    """Makes answers, and notes how far that is ahead of who takes them."""

    def __init__(self) -> None:
        self.made = 0
        self.taken = 0
        self.ahead = 0
        self.stream = FakeStream(self.make)

    def make(self, request: InferRequest) -> Iterator[InferResponse]:
        for number in range(MANY):
            self.made += 1
            yield answer(request, Y=[number])

    def take(self, request: InferRequest) -> InferResponse:
        self.ahead = max(self.ahead, self.made - self.taken)
        self.taken += 1
        return plus_one(request)


async def whole(fixture: Fixture, name: str = "e") -> list[Any]:
    """All answers of one stream."""
    _, answers = fixture.submit(1.0, name=name)
    await turns(lambda: bool(answers) and answers[-1][1])
    return [one.outputs[0].data.tolist() for one, _ in answers if one.outputs]  # type: ignore[union-attr]


@pytest.mark.parametrize("most", [1, 3])
async def test_a_model_that_streams_is_held_back(most: int) -> None:
    fixture, streams = Fixture(), Streams()
    fixture.part("s", streams.stream, streams=True)
    fixture.part("p", FakeInstance(streams.take))
    fixture.ensemble("s:at p:tb", most=most)
    assert await whole(fixture) == [[number + 1.0] for number in range(MANY)]
    assert streams.ahead <= most + 1, "those under way, and the one that is held back"


async def test_without_a_limit_nobody_is_held_back() -> None:
    fixture, streams = Fixture(), Streams()
    fixture.part("s", streams.stream, streams=True)
    taker = FakeInstance(streams.take, is_held=True)
    fixture.part("p", taker)
    fixture.ensemble("s:at p:tb")
    _, answers = fixture.submit(1.0)
    await turns(lambda: streams.made == MANY)
    taker.release()
    await turns(lambda: bool(answers) and answers[-1][1])
    assert streams.ahead == MANY


async def test_a_stream_in_an_ensemble_in_an_ensemble_is_held_back() -> None:
    fixture, streams = Fixture(), Streams()
    fixture.part("s", streams.stream, streams=True)
    fixture.part("p", FakeInstance(streams.take))
    fixture.part("q")
    fixture.ensemble("s:at q:tb", name="i")
    fixture.ensemble("p:ab", name="j")
    fixture.ensemble("i:at j:tb", most=1, side_names="ab")
    assert await whole(fixture) == [[number + 2.0] for number in range(MANY)]
    assert streams.ahead <= 2


async def test_what_is_held_back_ends_when_the_request_is_withdrawn() -> None:
    fixture, streams = Fixture(), Streams()
    fixture.part("s", streams.stream, streams=True)
    taker = FakeInstance(streams.take, is_held=True)
    fixture.part("p", taker)
    fixture.ensemble("s:at p:tb", most=1)
    sender, answers = fixture.submit(1.0)
    await turns(lambda: streams.made == 2)
    sender.cancel()
    assert answers[-1][1]
    taker.release()
    async with asyncio.timeout(10):
        await fixture.engine.drain()
    assert streams.made == 2
    assert streams.stream.withdrawn


async def test_a_model_behind_itself_is_not_held_back() -> None:
    """It would wait for itself: it has one instance, which makes answers."""
    fixture = Fixture()

    def two(request: InferRequest) -> Iterator[InferResponse]:
        for number in range(5):
            yield answer(request, Y=request.inputs["X"].data * 10 + number)

    fixture.part("s", FakeStream(two), streams=True)
    fixture.ensemble("s:at s:tb", most=1)
    async with asyncio.timeout(10):
        assert len(await whole(fixture)) == 25


async def test_two_requests_share_the_limit() -> None:
    fixture, streams = Fixture(), Streams()
    fixture.part("s", FakeStream(streams.make, capacity=2), streams=True)
    fixture.part("p", FakeInstance(streams.take))
    fixture.ensemble("s:at p:tb", most=1)
    found = await asyncio.gather(whole(fixture), whole(fixture))
    assert [len(one) for one in found] == [MANY, MANY]
    assert streams.ahead <= 3, "one under way, and one of each that is held back"


async def test_steps_are_counted_with_their_waits() -> None:
    fixture, streams = Fixture(), Streams()
    fixture.part("s", streams.stream, streams=True)
    taker = FakeInstance(streams.take, is_held=True)
    fixture.part("p", taker)
    model = fixture.ensemble("s:at p:tb", most=1)
    _, answers = fixture.submit(1.0)
    await turns(lambda: model.statistics.as_json()["naiad_steps"][1]["pending"] == 1)
    taker.release()
    await turns(lambda: bool(answers) and answers[-1][1])
    first, second = model.statistics.as_json()["naiad_steps"]
    assert [(one["step"], one["model"]) for one in (first, second)] == [(0, "s"), (1, "p")]
    assert [one["run"]["count"] for one in (first, second)] == [1, MANY]
    assert (first["wait"]["count"], first["pending"], second["pending"]) == (0, 0, 0)
    assert 0 < second["wait"]["count"] < MANY
    assert second["wait"]["ns"] > 0
    assert first["run"]["ns"] >= second["run"]["ns"], "the stream lasts as long as all that is made of it"
