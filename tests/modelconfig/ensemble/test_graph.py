"""What one configuration of an ensemble can have wrong, in Triton's words; tests/wire compares these with its own."""

from __future__ import annotations

from typing import Any

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.core.model.ensemble import Ensemble, Step
from naiad.modelconfig import finish
from naiad.modelconfig.ensemble.steps import write_ensemble

STEP = {"model_name": "a", "input_map": {"i": "x"}, "output_map": {"o": "y"}}


def tensors(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "data_type": "TYPE_FP32", "dims": [1]} for name in names]


def step(model: str, inputs: dict[str, str], outputs: dict[str, str]) -> dict[str, Any]:
    return {"model_name": model, "input_map": inputs, "output_map": outputs}


def ensemble(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    document = {"name": "m", "platform": "ensemble", "input": tensors("x"), "output": tensors("y")}
    return {**document, "ensemble_scheduling": {"step": list(steps)}, **more}


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        ensemble(STEP, backend="identity"),
        "Ensemble model 'm' must have platform type 'ensemble' and empty backend type",
    ),
    (
        {"name": "m", "platform": "ensemble", "input": tensors("x"), "output": tensors("y")},
        "ensemble scheduling must be set for ensemble m whose platform is ensemble",
    ),
    (
        ensemble(STEP, platform="onnxruntime_onnx"),
        "ensemble scheduling cannot be set for model 'm' whose platform is not ensemble",
    ),
    (ensemble(STEP, instance_group=[{}]), "instance group should not be specified for ensemble 'm'"),
    (ensemble(STEP, optimization={}), "optimization should not be specified for ensemble 'm'"),
    (ensemble(STEP, model_warmup=[{}]), "model_warmup can not be specified for ensemble 'm'"),
    (ensemble(), "must specify 'step' for ensemble 'm'"),
    (ensemble({**STEP, "model_name": ""}), "must specify 'model_name' in step 0 of ensemble 'm'"),
    (ensemble(STEP, {**STEP, "input_map": {}}), "must specify 'input_map' in step 1 of ensemble 'm'"),
    (ensemble({**STEP, "output_map": {}}), "must specify 'output_map' in step 0 of ensemble 'm'"),
    (
        ensemble(STEP, {**STEP, "model_name": "b"}),
        "ensemble tensor 'y' can appear in an output map only once for ensemble 'm' step 1",
    ),
    (
        ensemble(step("a", {"i": "x"}, {"o": "x"}), output=tensors("x")),
        "ensemble tensor 'x' is an input of ensemble 'm' and cannot appear in an output map, as in step 0",
    ),
    (ensemble(STEP, input=tensors("x", "z")), "ensemble input 'z' for ensemble m' is not used"),
    (ensemble({**STEP, "input_map": {"i": ""}}), "ensemble input 'x' for ensemble m' is not used"),
    (ensemble(STEP, output=tensors("y", "z")), "ensemble output 'z' for ensemble m' is not used"),
    (
        ensemble(step("a", {"i": "q"}, {"o": "y"}), step("b", {"i": "x"}, {"o": "z"}), output=tensors("y", "z")),
        "output 'y' for ensemble 'm' is not written: at least one of its depending tensors, 'q', is not connected",
    ),
    (
        ensemble(step("a", {"i": "q"}, {"o": "y"}), step("b", {"i": "y"}, {"o": "q"}), input=[]),
        "output 'y' for ensemble 'm' is not written",
    ),
    (
        ensemble(STEP, step("b", {"i": "p"}, {"o": "q"}), step("c", {"i": "q"}, {"o": "p"})),
        "ensemble tensor 'p' is unused in ensemble 'm'",
    ),
    (ensemble(STEP, step("b", {"i": "x"}, {"o": "z"})), "ensemble tensor 'z' is unused in ensemble 'm'"),
]


@pytest.mark.parametrize(("document", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_goes_nowhere_is_refused_in_tritons_words(document: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        finish(document)
    assert caught.value.message == words


def test_the_order_of_steps_means_nothing() -> None:
    first = {**step("a", {"j": "x"}, {"p": "q"}), "model_version": 3}
    config = finish(ensemble(step("b", {"i": "q"}, {"o": "y"}), first))
    assert config.ensemble == Ensemble(
        (Step("b", {"i": "q"}, {"o": "y"}, "0"), Step("a", {"j": "x"}, {"p": "q"}, "3")),
    )
    assert config.ensemble.models == {"a", "b"}


def test_version_minus_one_is_the_highest() -> None:
    config = finish(ensemble({**STEP, "model_version": -1}))
    assert config.ensemble is not None
    assert [one.version for one in config.ensemble.steps] == [""]


def test_a_long_chain_written_backwards_is_checked_in_one_pass() -> None:
    steps = [step("a", {"i": f"t{number}"}, {"o": f"t{number + 1}"}) for number in range(4096)]
    config = finish(ensemble(*reversed(steps), input=tensors("t0"), output=tensors("t4096")))
    assert config.ensemble is not None
    assert len(config.ensemble.steps) == 4096


# conditions


def conditional(*conditions: str, **more: Any) -> dict[str, Any]:
    """Two steps that make `y`, under conditions."""
    parameters = {f"when.{number}": {"string_value": text} for number, text in enumerate(conditions)}
    return ensemble(STEP, {**STEP, "model_name": "b"}, parameters=parameters, **more)


def test_steps_may_make_one_tensor_if_each_has_a_condition() -> None:
    config = finish(conditional('parameter l equals "de"', 'parameter l not_equals "de"'))
    assert config.ensemble is not None
    assert [str(step.when) for step in config.ensemble.steps] == [
        'parameter l equals "de"',
        'parameter l not_equals "de"',
    ]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (conditional("parameter p equals 1"), "can appear in an output map only once"),
        (
            conditional("parameter p equals 1", "tensor q equals 1"),
            "ensemble tensor 'q' is unused in ensemble 'm'",
        ),
        (
            ensemble(STEP, parameters={"when.1": {"string_value": "parameter p equals 1"}}),
            "parameter 'when.1' of ensemble 'm' names no step; steps are counted from 0 to 0",
        ),
        (
            ensemble(STEP, parameters={"when.x": {"string_value": "parameter p equals 1"}}),
            "parameter 'when.x' of ensemble 'm' names no step",
        ),
        (
            ensemble(STEP, parameters={"when.0": {"string_value": "p == 1"}}),
            "parameter 'when.0' of ensemble 'm': when: 'p == 1' is no condition",
        ),
    ],
)
def test_conditions_that_make_no_sense_are_refused(document: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        finish(document)
    assert words in caught.value.message


def test_a_condition_reads_its_tensor() -> None:
    document = ensemble(STEP, input=tensors("x", "z"), parameters={"when.0": {"string_value": "tensor z at_least 0.5"}})
    config = finish(document)
    assert config.ensemble is not None
    assert config.ensemble.steps[0].reads == ("x", "z")


def test_an_ensemble_is_written_as_it_is_read() -> None:
    config = finish(conditional('parameter l equals "de"', 'parameter l not_equals "de"'))
    assert config.ensemble is not None
    written = {**ensemble(), **write_ensemble(config.ensemble)}
    assert finish(written).ensemble == config.ensemble
