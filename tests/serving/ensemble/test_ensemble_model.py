"""Requests through an ensemble: answered once, joined with others, failing by name, withdrawn, bounded, counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytest
from ensemble_fixture import Fixture, answer, plus_one, request, turns

from naiad.core.errors import Cancelled, Failed, InvalidRequest, ModelFailed, NaiadError, NotReady, Overloaded
from naiad.core.message import InferRequest, InferResponse, RequestedOutput, SequenceStep
from naiad.core.model.config import ModelConfig
from naiad.core.model.ensemble import Ensemble, Step
from naiad.core.tensor import Tensor
from naiad.serving.ensemble.order import dependents_first
from naiad.testing import FakeInstance, FakeStream


async def test_steps_run_one_after_the_other_and_side_by_side() -> None:
    fixture = Fixture()
    fixture.part("p")
    fixture.ensemble("p:at p:tb p:ac", outputs="bc")
    assert await fixture.ask(1.0) == {"b": [3.0], "c": [2.0]}


async def test_only_what_is_asked_for_runs() -> None:
    fixture = Fixture()
    fixture.part("p")
    fixture.part("q")
    fixture.ensemble("p:ab q:ac", outputs="bc")
    assert await fixture.ask(1.0, outputs=(RequestedOutput("c"),)) == {"c": [2.0]}
    assert (fixture.instances["p"].batches, len(fixture.instances["q"].batches)) == ([], 1)


async def test_steps_share_batches_with_requests_from_elsewhere() -> None:
    fixture = Fixture()
    part = fixture.part("p", rows=8)
    fixture.ensemble("p:ab", rows=8)
    direct = InferRequest("p", inputs={"X": Tensor("X", "FP32", np.array([[5.0]], np.float32))})
    one, other = await asyncio.gather(fixture.ask(1.0, rows=True), fixture.engine.infer(direct))
    assert (one, other.outputs[0].data.tolist()) == ({"b": [2.0]}, [[6.0]])
    assert [len(batch) for batch in part.batches] == [2]


async def test_what_a_request_says_goes_to_every_step() -> None:
    fixture = Fixture()
    part = fixture.part("p")
    fixture.ensemble("p:at p:tb")
    sequence = SequenceStep(7, is_first=True)
    response = await fixture.engine.infer(
        request(1.0, id="me", parameters={"mine": 3}, priority=2, timeout_us=9, sequence=sequence)
    )
    seen = [(one.id, one.parameters, one.priority, one.timeout_us, one.sequence) for (one,) in part.batches]
    assert seen == [("me", {"mine": 3}, 2, 9, sequence)] * 2
    assert response.parameters == {"sequence_id": 7, "sequence_start": True, "sequence_end": False}
    assert (response.id, response.model_name, response.model_version) == ("me", "e", "1")


async def test_an_answer_may_change_the_sequence_for_the_steps_behind_it() -> None:
    def told(one: InferRequest) -> InferResponse:
        response = plus_one(one)
        response.parameters = {"sequence_id": "new", "sequence_end": True, "other": 1}
        return response

    fixture = Fixture()
    fixture.part("p", FakeInstance(told))
    behind = fixture.part("q")
    fixture.ensemble("p:at q:tb")
    response = await fixture.engine.infer(request(1.0))
    assert behind.batches[0][0].sequence == SequenceStep("new", is_last=True)
    assert response.parameters == {"sequence_id": "new", "sequence_start": False, "sequence_end": True}


@pytest.mark.parametrize("parameters", [{"sequence_id": 1.5}, {"sequence_id": True}, {"sequence_start": 1}])
async def test_a_sequence_that_makes_no_sense_is_an_error(parameters: dict[str, Any]) -> None:
    def told(one: InferRequest) -> InferResponse:
        response = plus_one(one)
        response.parameters = dict(parameters)
        return response

    fixture = Fixture()
    fixture.part("p", FakeInstance(told))
    fixture.ensemble("p:ab")
    with pytest.raises(InvalidRequest, match=r"in ensemble 'e', expect(ed)? parameter 'sequence_"):
        await fixture.ask(1.0)


def fails(error: Exception) -> Callable[[InferRequest], InferResponse]:
    def fail(_: InferRequest) -> InferResponse:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (ModelFailed("broken"), ModelFailed, "in ensemble 'e', broken (step 1: model 'q')"),
        (ModelFailed("model 'q' is broken"), ModelFailed, "in ensemble 'e', model 'q' is broken"),
        (InvalidRequest("no"), InvalidRequest, "in ensemble 'e', no (step 1: model 'q')"),
        (ValueError("odd"), ModelFailed, "in ensemble 'e', ValueError: odd (step 1: model 'q')"),
    ],
)
async def test_a_failing_step_names_itself(error: Exception, kind: type[NaiadError], words: str) -> None:
    fixture = Fixture()
    fixture.part("p")
    fixture.part("q", FakeInstance(fails(error)))
    model = fixture.ensemble("p:at q:tb")
    with pytest.raises(kind) as caught:
        await fixture.ask(1.0)
    assert (type(caught.value), caught.value.message) == (kind, words)
    assert model.statistics.fail.count == 1


async def test_a_step_that_is_refused_names_itself_too() -> None:
    fixture = Fixture()
    fixture.part("p", FakeInstance(lambda one: answer(one, Z=[1.0])))
    fixture.ensemble("p:at p:tb")
    with pytest.raises(InvalidRequest) as caught:
        await fixture.ask(1.0, id="me")
    assert caught.value.message == (
        "in ensemble 'e', [request id: me] expected 1 inputs but got 0 inputs for model 'p'. Got input(s) [], but "
        "missing required input(s) ['X']. Please provide all required input(s)."
    )


async def test_the_other_steps_of_a_request_that_failed_are_withdrawn() -> None:
    fixture = Fixture()
    fixture.part("p", FakeInstance(fails(ModelFailed("broken"))))
    fixture.part("q").hold()
    fixture.ensemble("p:ab q:ac", outputs="bc")
    with pytest.raises(ModelFailed, match="broken"):
        await fixture.ask(1.0)
    assert fixture.engine.route("q").statistics.failures["CANCELED"] == 1
    fixture.instances["q"].release()
    await fixture.engine.drain()


async def test_a_full_queue_of_a_part_refuses() -> None:
    fixture = Fixture()
    fixture.part("p", max_waiting=1)
    fixture.ensemble("p:ab")
    results = await asyncio.gather(*(fixture.ask(1.0) for _ in range(2)), return_exceptions=True)
    assert sorted(type(result) for result in results if isinstance(result, Exception)) == [Overloaded]


async def test_a_request_that_is_withdrawn_is_answered_at_once_and_its_steps_learn_of_it() -> None:
    fixture = Fixture()
    part = fixture.part("p")
    part.hold()
    model = fixture.ensemble("p:at p:tb")
    sender, answers = fixture.submit(1.0)
    await turns(lambda: part.started.acquire(blocking=False))
    sender.cancel()
    assert [type(one) for one, _ in answers] == [Cancelled]
    assert model.statistics.failures["CANCELED"] == 1
    part.release()
    await fixture.engine.drain()
    assert len(part.batches) == 1
    assert len(answers) == 1


async def test_an_ensemble_of_an_ensemble() -> None:
    fixture = Fixture()
    fixture.part("p")
    inner = fixture.ensemble("p:at p:tb", name="i")
    outer = fixture.ensemble("i:ab", side_names="ab")
    assert await fixture.ask(1.0) == {"b": [3.0]}
    fixture.part("q", FakeInstance(fails(ModelFailed("broken"))))
    fixture.ensemble("q:ab", name="j")
    fixture.ensemble("j:ab", name="o", side_names="ab")
    with pytest.raises(ModelFailed) as caught:
        await fixture.ask(1.0, name="o")
    assert caught.value.message == "in ensemble 'o', in ensemble 'j', broken (step 0: model 'q')"
    counted = [(one.statistics.success.count, one.statistics.execution_count) for one in (inner, outer)]
    assert counted == [(1, 1), (1, 1)]
    assert outer.statistics.compute_infer.sum == pytest.approx(inner.statistics.compute_infer.sum)


async def test_an_ensemble_counts_what_its_steps_took() -> None:
    fixture = Fixture()
    fixture.part("p", rows=8)
    model = fixture.ensemble("p:at p:tb", rows=8)
    await fixture.ask(1.0, rows=True)
    mine, parts = model.statistics, fixture.engine.route("p").statistics
    assert (mine.success.count, mine.inference_count, mine.execution_count) == (1, 1, 1)
    assert (parts.success.count, parts.execution_count) == (2, 2)
    for stage in ("compute_input", "compute_infer", "compute_output"):
        assert getattr(mine, stage).sum == pytest.approx(getattr(parts, stage).sum)
        assert getattr(mine, stage).count == 1


# streams


def rows(one: InferRequest) -> Iterable[InferResponse | NaiadError]:
    for value in one.inputs["X"].data:
        yield ModelFailed("broken") if value < 0 else answer(one, Y=[value + 1])


async def test_each_answer_of_a_stream_goes_through_the_steps_behind_it() -> None:
    fixture = Fixture()
    fixture.part("d", FakeStream(rows), streams=True)
    fixture.part("p")
    model = fixture.ensemble("d:at p:tb")
    _, answers = fixture.submit(1.0, 2.0, 3.0)
    await turns(lambda: bool(answers) and answers[-1][1])
    values = [one.outputs[0].data.item() for one, _ in answers if isinstance(one, InferResponse) and not one.is_empty]
    assert values == [3.0, 4.0, 5.0]
    assert [last for _, last in answers].count(True) == 1
    assert (model.statistics.success.count, model.statistics.execution_count) == (1, 1)


async def test_a_stream_of_no_answers_ends_without_one() -> None:
    fixture = Fixture()
    fixture.part("d", FakeStream(rows), streams=True)
    fixture.ensemble("d:ab")
    _, answers = fixture.submit()
    await turns(lambda: bool(answers))
    assert [(getattr(one, "is_empty", None), last) for one, last in answers] == [(True, True)]


async def test_an_error_in_a_stream_ends_it() -> None:
    fixture = Fixture()
    fixture.part("d", FakeStream(rows), streams=True)
    fixture.ensemble("d:ab")
    _, answers = fixture.submit(1.0, -1.0, 2.0)
    await turns(lambda: bool(answers) and answers[-1][1])
    assert [type(one) for one, _ in answers] == [InferResponse, ModelFailed]
    await fixture.engine.drain()


async def test_a_model_that_promises_one_answer_and_gives_two_is_an_error() -> None:
    fixture = Fixture()
    fixture.part("d", FakeStream(rows))
    fixture.ensemble("d:ab")
    with pytest.raises(Failed, match="in ensemble 'e', expected a single response, got 2"):
        await fixture.ask(1.0, 2.0)


# bounds


async def test_no_more_runs_of_a_step_than_allowed_are_under_way_at_once() -> None:
    fixture = Fixture()
    part = fixture.part("p", rows=8)
    part.hold()
    fixture.ensemble("p:ab", rows=8, most=2)
    asked = [asyncio.ensure_future(fixture.ask(float(number), rows=True)) for number in range(5)]
    await turns(lambda: part.started.acquire(blocking=False))
    assert fixture.engine.route("p").statistics.count_pending() == 0
    part.release()
    assert [one["b"] for one in await asyncio.gather(*asked)] == [[number + 1.0] for number in range(5)]
    assert max(len(batch) for batch in part.batches) == 2


async def test_a_request_that_is_withdrawn_while_it_waits_for_its_turn_takes_none() -> None:
    fixture = Fixture()
    part = fixture.part("p")
    part.hold()
    fixture.ensemble("p:ab", most=1)
    first = asyncio.ensure_future(fixture.ask(1.0))
    await turns(lambda: part.started.acquire(blocking=False))
    sender, answers = fixture.submit(2.0)
    third = asyncio.ensure_future(fixture.ask(3.0))
    await asyncio.sleep(0)
    sender.cancel()
    part.release()
    assert [await first, await third] == [{"b": [2.0]}, {"b": [4.0]}]
    assert [type(one) for one, _ in answers] == [Cancelled]
    assert len(part.batches) == 2


# the end


async def test_an_ensemble_that_stops_answers_what_it_has_taken() -> None:
    fixture = Fixture()
    part = fixture.part("p")
    part.hold()
    model = fixture.ensemble("p:at p:tb")
    asked = asyncio.ensure_future(fixture.ask(1.0))
    await turns(lambda: part.started.acquire(blocking=False))
    draining = asyncio.ensure_future(fixture.engine.drain())
    await asyncio.sleep(0)
    part.release()
    await draining
    assert await asked == {"b": [3.0]}
    with pytest.raises(NotReady):
        model.submit(request(1.0), fixture.submit(1.0)[0])


def test_what_is_made_of_others_stops_first() -> None:
    class Named:
        def __init__(self, name: str, parts: str) -> None:
            steps = tuple(Step(part) for part in parts)
            self.name = name
            self.config = ModelConfig(name, ensemble=Ensemble(steps) if parts else None)

    graph: Mapping[str, str] = {"a": "", "b": "a", "c": "", "d": "bc", "e": "d"}
    ordered = dependents_first([Named(name, parts) for name, parts in graph.items()])  # type: ignore[misc]
    places = {model.name: place for place, model in enumerate(ordered)}
    assert sorted(places) == list(graph)
    assert all(places[name] < places[part] for name, parts in graph.items() for part in parts)
