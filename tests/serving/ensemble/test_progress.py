"""How requests get on: which steps become ready, which answers complete, in what order; without models or a loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from naiad.core.errors import InvalidRequest
from naiad.core.message import RequestedOutput, SequenceStep
from naiad.core.model.condition import When
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.model.ensemble import Ensemble, Step
from naiad.core.tensor import Tensor
from naiad.modelconfig.ensemble.parts import check_parts
from naiad.serving.ensemble.plan import make_plan
from naiad.serving.ensemble.progress import Progress, Run


def tensor(name: str, value: float = 0.0) -> Tensor:
    return Tensor(name, "FP32", np.array([value], np.float32))


def start(steps: str, outputs: str, wanted: str = "", inputs: str = "a", given: str | None = None) -> Progress:
    """Steps as `ab+c>d`: reads a and b, makes c … `!` behind: decoupled. Tensors have one letter, in models too."""
    planned, parts = [], []
    for one in steps.split():
        reads, _, makes = one.rstrip("!").partition(">")
        planned.append(Step(one, inputs={name: name for name in reads}, outputs={name: name for name in makes}))
        sides = [tuple(TensorConfig(name, "FP32", (-1,)) for name in side) for side in (reads, makes)]
        parts.append(ModelConfig(one, inputs=sides[0], outputs=sides[1], is_decoupled=one.endswith("!")))
    config = ModelConfig(
        "e",
        inputs=tuple(TensorConfig(name, "FP32", (-1,), optional=True) for name in inputs),
        outputs=tuple(TensorConfig(name, "FP32", (-1,)) for name in outputs),
        ensemble=Ensemble(tuple(planned)),
    )
    plan = make_plan(config, parts, check_parts(config, parts))
    progress = Progress(plan, plan.route([RequestedOutput(name) for name in wanted]))
    progress.begin({name: tensor(name) for name in (inputs if given is None else given)})
    return progress


def ready(progress: Progress) -> list[Run]:
    runs = list(progress.ready)
    progress.ready.clear()
    return runs


def complete(progress: Progress) -> list[dict[str, float]]:
    answers = [{one.name: one.data.item() for one in answer.outputs} for answer in progress.complete]
    progress.complete.clear()
    return answers


@pytest.mark.parametrize(
    ("steps", "outputs", "first"),
    [
        ("a>b b>c", "c", [0]),
        ("b>c a>b", "c", [1]),
        ("a>b a>c bc>d", "d", [0, 1]),
        ("a>bc b>d c>e", "de", [0]),
    ],
)
def test_what_needs_nothing_but_the_request_is_ready_at_once(steps: str, outputs: str, first: list[int]) -> None:
    assert [run.step for run in ready(start(steps, outputs))] == first


def test_a_step_waits_for_all_that_it_reads() -> None:
    progress = start("a>b a>c bc>d", "d")
    one, two = ready(progress)
    progress.answered(two, [tensor("c", 2.0)])
    assert ready(progress) == []
    progress.answered(one, [tensor("b", 1.0)])
    (last,) = ready(progress)
    assert {name: one.data.item() for name, one in last.inputs.items()} == {"b": 1.0, "c": 2.0}
    progress.answered(last, [tensor("d", 3.0)])
    assert complete(progress) == [{"d": 3.0}]


def test_what_a_model_does_not_give_is_missing_further_on_but_nobody_waits_for_it() -> None:
    progress = start("a>bc bc>d", "cd")
    (one,) = ready(progress)
    progress.answered(one, [tensor("b")])
    (two,) = ready(progress)
    assert list(two.inputs) == ["b"]
    progress.answered(two, [tensor("d", 4.0)])
    assert complete(progress) == [{"d": 4.0}]


def test_an_input_that_is_not_given_is_left_out() -> None:
    (run,) = ready(start("ab>c", "c", inputs="ab", given="b"))
    assert list(run.inputs) == ["b"]


def test_tensors_are_let_go_when_nobody_needs_them_any_more() -> None:
    progress = start("a>b b>c", "c")
    (one,) = ready(progress)
    progress.answered(one, [tensor("b")])
    (two,) = ready(progress)
    assert two.wave.tensors == [None, None, None]


def test_answers_of_a_stream_come_in_its_order_whoever_is_ready_first() -> None:
    progress = start("a>b! b>c", "c")
    (stream,) = ready(progress)
    for value in (1.0, 2.0, 3.0):
        progress.answered(stream, [tensor("b", value)])
    first, second, third = ready(progress)
    progress.answered(third, [tensor("c", 30.0)])
    progress.answered(second, [tensor("c", 20.0)])
    assert complete(progress) == []
    progress.answered(first, [tensor("c", 10.0)])
    assert complete(progress) == [{"c": 10.0}, {"c": 20.0}, {"c": 30.0}]


def test_branches_of_a_stream_are_joined_answer_by_answer() -> None:
    """Triton joins them in the order in which they come, and so may mix two answers."""
    progress = start("a>b! b>c b>d cd>e", "e")
    (stream,) = ready(progress)
    progress.answered(stream, [tensor("b", 1.0)])
    progress.answered(stream, [tensor("b", 2.0)])
    c1, d1, c2, d2 = ready(progress)
    for run, made in ((c1, tensor("c", 1.0)), (d2, tensor("d", 2.0)), (c2, tensor("c", 2.0)), (d1, tensor("d", 1.0))):
        progress.answered(run, [made])
    pairs = [(run.inputs["c"].data.item(), run.inputs["d"].data.item()) for run in ready(progress)]
    assert sorted(pairs) == [(1.0, 1.0), (2.0, 2.0)]


def test_a_stream_of_streams_begins_a_wave_for_each_of_its_answers() -> None:
    progress = start("a>b! b>c!", "c")
    (outer,) = ready(progress)
    progress.answered(outer, [tensor("b")])
    progress.answered(outer, [tensor("b")])
    one, two = ready(progress)
    progress.answered(two, [tensor("c", 2.0)])
    progress.answered(one, [tensor("c", 1.0)])
    progress.answered(two, [tensor("c", 3.0)])
    assert complete(progress) == [{"c": 2.0}, {"c": 1.0}, {"c": 3.0}]


def test_what_an_answer_says_of_the_sequence_goes_to_the_steps_behind_it() -> None:
    progress = start("a>b b>c", "c")
    (one,) = ready(progress)
    assert one.sequence is None
    progress.answered(one, [tensor("b")], SequenceStep(7, is_first=True))
    (two,) = ready(progress)
    assert two.sequence == SequenceStep(7, is_first=True)
    progress.answered(two, [tensor("c")])
    assert [answer.sequence for answer in progress.complete] == [SequenceStep(7, is_first=True)]


# conditions


def branches(*steps: Step, wanted: str = "", outputs: str = "b", inputs: str = "a", **parameters: Any) -> Progress:
    parts = []
    for one in steps:
        sides = [tuple(TensorConfig(name, "FP32", (-1,)) for name in side) for side in (one.inputs, one.outputs)]
        parts.append(ModelConfig(one.model, inputs=sides[0], outputs=sides[1]))
    config = ModelConfig(
        "e",
        inputs=tuple(TensorConfig(name, "FP32", (-1,)) for name in inputs),
        outputs=tuple(TensorConfig(name, "FP32", (-1,)) for name in outputs),
        ensemble=Ensemble(steps),
    )
    plan = make_plan(config, parts, check_parts(config, parts))
    return Progress(plan, plan.route([RequestedOutput(name) for name in wanted]), parameters)


def branch(read: str, made: str, when: When | None = None, **inputs: str) -> Step:
    return Step("p", {"X": read, **inputs}, {"Y": made}, when=when)


ON = When(parameter="on", equals=True)
OFF = When(parameter="on", equals=False)


@pytest.mark.parametrize(
    ("parameters", "first"), [({"on": True}, [0, 1]), ({"on": False}, [0]), ({}, [0]), ({"other": True}, [0])]
)
def test_a_step_runs_only_when_its_condition_holds(parameters: dict[str, Any], first: list[int]) -> None:
    progress = branches(branch("a", "b"), branch("a", "c", ON), outputs="bc", **parameters)
    progress.begin({"a": tensor("a")})
    runs = ready(progress)
    assert [run.step for run in runs] == first
    for run in runs:
        progress.answered(run, [Tensor("Y", "FP32", np.array([1.0], np.float32))])
    (answer,) = progress.complete
    assert (len(answer.outputs), answer.skipped) == (len(first), {} if len(first) == 2 else {"c": 1})


def test_what_needs_a_step_that_is_skipped_is_skipped_and_tells_whose_condition_it_was() -> None:
    progress = branches(branch("a", "t", ON), branch("t", "u"), branch("u", "b"))
    progress.begin({"a": tensor("a")})
    assert ready(progress) == []
    assert [(answer.outputs, answer.skipped) for answer in progress.complete] == [([], {"b": 0})]


def test_one_of_several_steps_makes_a_tensor() -> None:
    for on in (True, False):
        progress = branches(branch("a", "t", ON), branch("a", "t", OFF), branch("t", "b"), on=on)
        progress.begin({"a": tensor("a")})
        (run,) = ready(progress)
        assert run.step == (0 if on else 1)
        progress.answered(run, [Tensor("Y", "FP32", np.array([1.0], np.float32))])
        assert [one.step for one in ready(progress)] == [2]


def test_where_none_of_several_steps_runs_nothing_behind_them_does() -> None:
    progress = branches(branch("a", "t", ON), branch("a", "t", OFF), branch("t", "b"))
    progress.begin({"a": tensor("a")})
    assert [answer.skipped for answer in progress.complete] == [{"b": 1}]


def test_two_steps_that_would_make_one_tensor_are_an_error() -> None:
    given = When(parameter="on", is_given=True)
    progress = branches(branch("a", "b", ON), branch("a", "b", given), on=True)
    with pytest.raises(InvalidRequest) as caught:
        progress.begin({"a": tensor("a")})
    assert caught.value.message == (
        "steps 0 and 1 make the same tensor, and the conditions of both hold: parameter on equals true, and parameter "
        "on is_given true"
    )


@pytest.mark.parametrize(
    ("value", "runs"), [(np.array([0.7], np.float32), True), (np.array([[0.2]], np.float32), False)]
)
def test_a_condition_on_a_tensor_waits_for_it(value: Any, runs: bool) -> None:
    progress = branches(branch("a", "t"), branch("a", "b", When(tensor="t", at_least=0.5)), outputs="bt", wanted="b")
    progress.begin({"a": tensor("a")})
    (first,) = ready(progress)
    progress.answered(first, [Tensor("Y", "FP32", value)])
    assert bool(ready(progress)) is runs


def test_a_condition_reads_texts_and_needs_one_value() -> None:
    for data, step in ((np.array([b"de"], object), [0]), (np.array([b"en"], object), [])):
        progress = branches(branch("a", "b", When(tensor="l", equals="de"), L="l"), inputs="al")
        progress.begin({"a": tensor("a"), "l": Tensor("l", "BYTES", data)})
        assert [run.step for run in ready(progress)] == step
    progress = branches(branch("a", "b", When(tensor="l", equals="de"), L="l"), inputs="al")
    with pytest.raises(InvalidRequest, match="needs one value, but tensor 'l' has 2"):
        progress.begin({"a": tensor("a"), "l": Tensor("l", "BYTES", np.array([b"de", b"en"], object))})


def test_a_long_chain_of_skipped_steps_is_no_matter() -> None:
    chain = [branch("a", "t0", ON), *(branch(f"t{n}", f"t{n + 1}") for n in range(3000))]
    progress = branches(*chain, branch("t3000", "b"))
    progress.begin({"a": tensor("a")})
    assert [answer.skipped for answer in progress.complete] == [{"b": 0}]
