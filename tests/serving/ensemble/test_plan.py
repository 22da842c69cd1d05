"""What a plan says: which steps some outputs need, and how arrays with and without a batch dimension fit."""

from __future__ import annotations

import numpy as np
import pytest

from naiad.core.message import RequestedOutput
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.model.ensemble import Ensemble, Step
from naiad.modelconfig.ensemble.parts import check_parts
from naiad.serving.ensemble.plan import MOST_ROUTES, Plan, fit, make_plan

SIDE = {name: (TensorConfig(name, "FP32", (-1,)),) for name in "XY"}
PART = ModelConfig("p", inputs=SIDE["X"], outputs=SIDE["Y"])


def plan(*maps: str, outputs: str) -> Plan:
    """Steps written as `ab`: from tensor a to tensor b."""
    steps = tuple(Step("p", inputs={"X": one[0]}, outputs={"Y": one[1]}) for one in maps)
    config = ModelConfig(
        "e",
        inputs=(TensorConfig("a", "FP32", (-1,)),),
        outputs=tuple(TensorConfig(name, "FP32", (-1,)) for name in outputs),
        ensemble=Ensemble(steps),
    )
    parts = [PART] * len(steps)
    return make_plan(config, parts, check_parts(config, parts))


@pytest.mark.parametrize(
    ("maps", "outputs", "wanted", "steps"),
    [
        ("ab bc", "c", "", {0, 1}),
        ("ab ac", "bc", "b", {0}),
        ("ab ac", "bc", "c", {1}),
        ("ab ac", "bc", "", {0, 1}),
        ("ab bc", "bc", "b", {0}),
        ("ab bc", "bc", "c", {0, 1}),  # of this, Triton runs nothing and answers with an error
        ("at tb tu uc", "bc", "b", {0, 1}),
        ("at tb tu uc", "bc", "c", {0, 2, 3}),
    ],
)
def test_only_the_steps_that_lead_to_an_output_are_needed(
    maps: str, outputs: str, wanted: str, steps: set[int]
) -> None:
    route = plan(*maps.split(), outputs=outputs).route([RequestedOutput(name) for name in wanted])
    assert {number for number, missing in enumerate(route.missing) if missing} == steps
    assert [name for name, _, _ in route.outputs] == list(wanted or outputs)


def test_routes_are_remembered_but_not_without_end() -> None:
    subject = plan("ab", "ac", outputs="bc")
    assert subject.route([RequestedOutput("b")]) is subject.route([RequestedOutput("b")])
    for number in range(MOST_ROUTES * 2):
        subject._routes[frozenset((str(number),))] = subject.route([])
    subject.route([RequestedOutput("c")])
    assert len(subject._routes) == 1


@pytest.mark.parametrize(
    ("dims", "wants", "has", "shape", "expected"),
    [
        ((4,), True, True, (2, 4), (2, 4)),
        ((4,), False, False, (4,), (4,)),
        ((4,), True, False, (4,), (1, 4)),
        ((-1,), True, False, (4,), (1, 4)),
        ((4,), True, False, (2, 4), (2, 4)),
        ((4,), False, True, (1, 4), (4,)),
        ((4,), False, True, (2, 4), (2, 4)),
        ((-1, 4), False, True, (1, 4), (1, 4)),
        ((-1, 4), False, True, (2, 4), (2, 4)),
    ],
)
def test_a_batch_dimension_is_put_before_a_lone_tensor_and_taken_from_a_lone_row(
    dims: tuple[int, ...], wants: bool, has: bool, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    fits, data = fit(dims, wants, has), np.zeros(shape, np.float32)
    assert (data if fits is None else fits(data)).shape == expected
