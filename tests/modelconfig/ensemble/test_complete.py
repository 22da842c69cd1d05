"""Inputs and outputs that follow from the parts."""

from __future__ import annotations

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.core.model.condition import When
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.model.ensemble import Ensemble, Step
from naiad.modelconfig import finish
from naiad.modelconfig.ensemble.complete import complete_ensemble
from naiad.modelconfig.ensemble.steps import write_ensemble


def part(rows: int = 0, dims: tuple[int, ...] = (4,), datatype: str = "FP32", optional: bool = False) -> ModelConfig:
    inputs = (TensorConfig("X", datatype, dims, optional=optional),)
    return ModelConfig("p", max_batch_size=rows, inputs=inputs, outputs=(TensorConfig("Y", datatype, dims),))


def completed(steps: list[Step], parts: list[ModelConfig], *outputs: str) -> ModelConfig:
    ensemble = Ensemble(tuple(steps))
    document = {"name": "e", **write_ensemble(ensemble)}
    return finish(complete_ensemble(document, ensemble, outputs, parts))


def step(read: str, made: str, when: When | None = None) -> Step:
    return Step("p", {"X": read}, {"Y": made}, when=when)


def shown(config: ModelConfig) -> tuple[int, list[tuple[str, tuple[int, ...]]], list[tuple[str, tuple[int, ...]]]]:
    sides = [[(tensor.name, tensor.dims) for tensor in side] for side in (config.inputs, config.outputs)]
    return config.max_batch_size, sides[0], sides[1]


@pytest.mark.parametrize(
    ("steps", "parts", "outputs", "expected"),
    [
        ([step("a", "b")], [part()], (), (0, [("a", (4,))], [("b", (4,))])),
        ([step("a", "t"), step("t", "b")], [part(), part()], (), (0, [("a", (4,))], [("b", (4,))])),
        (
            [step("a", "t"), step("t", "b")],
            [part(), part()],
            ("t", "b"),
            (0, [("a", (4,))], [("t", (4,)), ("b", (4,))]),
        ),
        ([step("a", "t"), step("t", "b")], [part(8), part(4)], (), (4, [("a", (4,))], [("b", (4,))])),
        ([step("a", "t"), step("t", "b")], [part(8), part(0, (-1, 4))], (), (0, [("a", (-1, 4))], [("b", (-1, 4))])),
    ],
)
def test_what_goes_in_and_comes_out_follows_from_the_parts(
    steps: list[Step], parts: list[ModelConfig], outputs: tuple[str, ...], expected: object
) -> None:
    assert shown(completed(steps, parts, *outputs)) == expected


def test_an_input_is_optional_if_it_is_to_every_model() -> None:
    steps = [step("a", "b"), step("a", "c")]
    for optional, other in ((True, True), (True, False)):
        config = completed(steps, [part(optional=optional), part(optional=other)])
        assert [tensor.optional for tensor in config.inputs] == [optional and other]


@pytest.mark.parametrize(
    ("steps", "outputs", "words"),
    [
        ([step("a", "b")], ("z",), "there is no tensor 'z' to be an output; there are b, a"),
        ([step("a", "b", When(tensor="l", equals="x"))], (), "is about tensor 'l', which no step makes or reads"),
    ],
)
def test_what_cannot_be_known_is_refused(steps: list[Step], outputs: tuple[str, ...], words: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        completed(steps, [part()] * len(steps), *outputs)
    assert words in caught.value.message
