"""The bound on what a batch costs: alone, in front of Triton's rule, and as a configuration asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.contracts import Instances
from naiad.core.message import InferRequest
from naiad.core.model.config import BatchCost, DynamicBatching, ModelConfig, TensorConfig
from naiad.core.tensor import Tensor
from naiad.scheduling.cost import Affordable, CostLimit, decide_within
from naiad.scheduling.decision import Decision, Run, Situation, WaitUntil
from naiad.scheduling.dynamic import DynamicRule, decide_dynamic
from naiad.serving.catalog import Catalog
from naiad.serving.engine import Engine
from naiad.serving.tensor_model import TensorModel
from naiad.testing import FakeInstance


@dataclass
class Item:
    cost: int
    size: int = 1
    queued_s: float = 0.0
    shape_key: str = ""


def items(*costs: int) -> list[Item]:
    return [Item(cost) for cost in costs]


@pytest.mark.parametrize(
    ("waiting", "limit", "expected"),
    [
        pytest.param(items(3, 4), CostLimit(10), Affordable(2, is_full=False), id="all fit"),
        pytest.param(items(3, 4, 4), CostLimit(10), Affordable(2, is_full=True), id="the next would be too much"),
        pytest.param(items(3, 4, 3), CostLimit(10), Affordable(3, is_full=True), id="exactly full"),
        pytest.param(items(11), CostLimit(10), Affordable(1, is_full=True), id="too much by itself runs alone"),
        pytest.param(items(11, 0), CostLimit(10), Affordable(1, is_full=True), id="and nobody with it"),
        pytest.param(items(2, 11, 1), CostLimit(10), Affordable(1, is_full=True), id="nobody is overtaken"),
        pytest.param(items(0, 0, 0), CostLimit(1), Affordable(3, is_full=False), id="what costs nothing always fits"),
        pytest.param(items(2, 4, 1), CostLimit(11, pads=True), Affordable(2, is_full=True), id="4 * 3 would be 12"),
        pytest.param(items(2, 4, 1), CostLimit(12, pads=True), Affordable(3, is_full=True), id="and 12 is allowed"),
        pytest.param(
            [Item(6, 3), Item(4, 1)], CostLimit(15, pads=True), Affordable(1, is_full=True), id="each row is padded"
        ),
        pytest.param([Item(6, 3), Item(2, 1)], CostLimit(8, pads=True), Affordable(2, is_full=True), id="rows of two"),
    ],
)
def test_how_many_fit(waiting: list[Item], limit: CostLimit, expected: Affordable) -> None:
    assert limit.look(waiting) == expected


def decide(waiting: Sequence[Item], limit: CostLimit, rule: DynamicRule, now: float = 0.0) -> Decision:
    return decide_within(Situation(waiting, now), limit, partial(decide_dynamic, rule=rule))


@pytest.mark.parametrize(
    ("costs", "limit", "rule", "taken"),
    [
        pytest.param((4, 4, 4), 8, DynamicRule(8), 2, id="cost ends the batch before its rows do"),
        pytest.param((1, 1, 1), 8, DynamicRule(2), 2, id="rows end it before its cost does"),
        pytest.param((1, 1, 1, 9), 8, DynamicRule(8, (2,)), 2, id="a preferred size is preferred still"),
        pytest.param((4, 4, 4, 4), 8, DynamicRule(8, (4,)), 2, id="one that costs too much is not reached"),
        pytest.param((4, 4, 4), 8, DynamicRule(8, (), 5.0), 2, id="a batch that is full by cost does not wait"),
        pytest.param((4, 4), 8, DynamicRule(8, (), 5.0), 2, id="nor does one that is exactly full"),
        pytest.param((99, 1), 8, DynamicRule(8, (), 5.0), 1, id="nor one that is over the limit"),
    ],
)
def test_it_composes_with_tritons_rule(costs: tuple[int, ...], limit: int, rule: DynamicRule, taken: int) -> None:
    assert decide(items(*costs), CostLimit(limit), rule) == Run(range(taken))


def test_it_waits_while_more_may_join() -> None:
    assert decide(items(4, 2), CostLimit(8), DynamicRule(8, (), 5.0)) == WaitUntil(5.0)
    assert decide(items(4, 2), CostLimit(8), DynamicRule(8, (), 5.0), now=5.0) == Run(range(2))


def test_other_shapes_end_the_batch_still() -> None:
    waiting = [Item(1), Item(1, shape_key="other"), Item(1)]
    assert decide(waiting, CostLimit(8), DynamicRule(8, (), 5.0)) == Run(range(1))


RULES = st.builds(
    DynamicRule,
    st.integers(1, 8),
    st.just(()) | st.just((1,)),
    st.sampled_from((0.0, 2.0)),
)


@given(
    st.lists(st.builds(Item, st.integers(0, 9), st.integers(1, 4), shape_key=st.sampled_from("ab")), max_size=12),
    st.builds(CostLimit, st.integers(1, 20), st.booleans()),
    RULES,
    st.sampled_from((0.0, 1.0, 2.0)),
)
def test_no_batch_exceeds_any_limit_and_everybody_is_served(
    waiting: list[Item], limit: CostLimit, rule: DynamicRule, now: float
) -> None:
    while waiting:
        decision = decide(waiting, limit, rule, now)
        if isinstance(decision, WaitUntil):
            assert now < decision.time_s <= rule.max_delay_s
            now = decision.time_s
            continue
        batch = [waiting[index] for index in decision.picks]
        assert batch == waiting[: len(batch)] != []
        waiting = waiting[len(batch) :]
        if len(batch) == 1:
            continue
        rows = sum(item.size for item in batch)
        padded = max(-(-item.cost // item.size) for item in batch) * rows
        assert (padded if limit.pads else sum(item.cost for item in batch)) <= limit.most
        assert rows <= rule.max_batch_size
        assert len({item.shape_key for item in batch}) == 1


@pytest.mark.parametrize(
    ("cost", "lengths"),
    [
        (None, [[2, 4, 1, 3, 9]]),
        (BatchCost(7, "x"), [[2, 4, 1], [3], [9]]),
        (BatchCost(8, "x", pads=True), [[2, 4], [1, 3], [9]]),
        (BatchCost(2, "mask"), [[2, 4], [1, 3], [9]]),
        (BatchCost(1, "absent"), [[2, 4, 1, 3, 9]]),
    ],
)
async def test_requests_are_joined_as_the_model_says(cost: BatchCost | None, lengths: list[list[int]]) -> None:
    """Elements of the named input count; a request without it costs nothing."""
    config = ModelConfig(
        "m",
        max_batch_size=8,
        inputs=(
            TensorConfig("mask", "FP32", (1,)),
            TensorConfig("x", "FP32", (-1,), is_ragged=True),
            TensorConfig("absent", "FP32", (-1,), optional=True),
        ),
        dynamic_batching=DynamicBatching(),
        batch_cost=cost,
    )
    instance = FakeInstance(lambda request: request)
    model = TensorModel(config, "1", Instances((instance,)))
    engine = Engine(Catalog())
    for length in (2, 4, 1, 3, 9):
        tensors: list[Any] = [
            Tensor.of("x", np.zeros((1, length), np.float32)),
            Tensor.of("mask", np.zeros((1, 1), np.float32)),
        ]
        engine.submit(model, InferRequest("m", inputs={tensor.name: tensor for tensor in tensors}), lambda *_: None)
    await asyncio.wait_for(model.drain(), 10)
    model.close()
    assert [[item.inputs["x"].data.size for item in batch] for batch in instance.batches] == lengths
