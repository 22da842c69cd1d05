"""Whether the parts of an ensemble fit each other: what is refused, in Triton's words, and which streams there are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.model.ensemble import Ensemble, Step
from naiad.modelconfig.ensemble.parts import check_parts


def tensor(name: str, dims: tuple[int, ...] = (-1,), datatype: str = "FP32", **more: object) -> TensorConfig:
    return TensorConfig(name, datatype, dims, **more)  # type: ignore[arg-type]


def model(name: str = "p", rows: int = 0, **more: object) -> ModelConfig:
    fields = {"inputs": (tensor("X"),), "outputs": (tensor("Y"),), **more}
    return ModelConfig(name, max_batch_size=rows, **fields)  # type: ignore[arg-type]


def ensemble(
    *steps: Step, rows: int = 0, dims: tuple[int, ...] = (-1,), outputs: str = "b", **more: object
) -> ModelConfig:
    fields = {"inputs": (tensor("a", dims),), "outputs": tuple(tensor(name, dims) for name in outputs), **more}
    return ModelConfig("e", max_batch_size=rows, ensemble=Ensemble(steps), **fields)  # type: ignore[arg-type]


def step(read: str = "a", made: str = "b", name: str = "p") -> Step:
    return Step(name, inputs={"X": read}, outputs={"Y": made})


PLAIN = model()
STREAM = model("d", is_decoupled=True)
TWO = model(inputs=(tensor("X"), tensor("Z")))

REFUSED: list[tuple[ModelConfig, list[ModelConfig], str]] = [
    (
        ensemble(step(), rows=16),
        [model(rows=8)],
        "ensemble e allows maximum batch size 16, but it contains model p which only allows maximum batch size to be 8",
    ),
    (
        ensemble(Step("p", inputs={"Q": "a"}, outputs={"Y": "b"})),
        [PLAIN],
        "in ensemble e, ensemble tensor a is mapping to non-existing input Q in model p",
    ),
    (ensemble(step()), [TWO], "in ensemble e, input Z in model p is not mapped to any ensemble tensors"),
    (
        ensemble(Step("p", inputs={"X": "a"}, outputs={"Q": "b"})),
        [PLAIN],
        "in ensemble e, ensemble tensor b is mapped from non-existing output Q in model p",
    ),
    (
        ensemble(step()),
        [model(inputs=(tensor("X", datatype="BYTES"),))],
        (
            "in ensemble e, ensemble tensor a: inconsistent data type: TYPE_FP32 is inferred from model e while "
            "TYPE_STRING is inferred from model p"
        ),
    ),
    (
        ensemble(step(), dims=(3, 3)),
        [model(rows=8, inputs=(tensor("X", (1,)),))],
        (
            "in ensemble e, ensemble tensor a: inconsistent shape: [3,3] is inferred from model e while [-1,1] is "
            "inferred from model p"
        ),
    ),
    (
        ensemble(step(made="t"), step("t")),
        [PLAIN, model("q", inputs=(tensor("X", (2, 2)),))],
        (
            "in ensemble e, ensemble tensor t: inconsistent shape: [-1] is inferred from model p while [2,2] is "
            "inferred from model q"
        ),
    ),
    (
        ensemble(step(made="t", name="d"), Step("p", inputs={"X": "t", "Z": "a"}, outputs={"Y": "b"})),
        [STREAM, TWO],
        "in ensemble e, step of model 'p' receives inputs originated from different decoupled models",
    ),
    (
        ensemble(step(made="b", name="d"), step(made="c"), outputs="bc"),
        [STREAM, PLAIN],
        "in ensemble e, step of model 'e' receives inputs originated from different decoupled models",
    ),
]


@pytest.mark.parametrize(("config", "parts", "words"), REFUSED, ids=[words for _, _, words in REFUSED])
def test_parts_that_do_not_fit_are_refused_in_tritons_words(
    config: ModelConfig, parts: list[ModelConfig], words: str
) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        check_parts(config, parts)
    assert caught.value.message == words


FITS: dict[str, tuple[ModelConfig, list[ModelConfig], dict[str, int]]] = {
    "a chain": (ensemble(step(made="t"), step("t")), [PLAIN, PLAIN], {"a": 0, "t": 0, "b": 0}),
    "written backwards": (ensemble(step("t"), step(made="t")), [PLAIN, PLAIN], {"a": 0, "t": 0, "b": 0}),
    "rows in an ensemble without": (
        ensemble(step(), dims=(-1, 4)),
        [model(rows=8, inputs=(tensor("X", (4,)),), outputs=(tensor("Y", (4,)),))],
        {"a": 0, "b": 0},
    ),
    "no rows in an ensemble with": (ensemble(step(), rows=4, dims=(1,)), [PLAIN], {"a": 0, "b": 0}),
    "a variable dimension fits any": (ensemble(step(), dims=(7,)), [PLAIN], {"a": 0, "b": 0}),
    "an optional input left out": (
        ensemble(step()),
        [replace(TWO, inputs=(tensor("X"), tensor("Z", optional=True)))],
        {"a": 0, "b": 0},
    ),
    "a stream": (ensemble(step(made="t", name="d"), step("t")), [STREAM, PLAIN], {"a": 0, "t": 1, "b": 1}),
    "a stream of streams": (ensemble(step(made="t"), step("t")), [STREAM, STREAM], {"a": 0, "t": 1, "b": 2}),
    "a reshaped input": (
        ensemble(step(), inputs=(tensor("a", (4,), reshape=(2, 2)),)),
        [model(inputs=(tensor("X", (2, 2)),))],
        {"a": 0, "b": 0},
    ),
}


@pytest.mark.parametrize("name", FITS)
def test_parts_that_fit_and_their_streams(name: str) -> None:
    config, parts, streams = FITS[name]
    assert check_parts(config, parts) == streams
