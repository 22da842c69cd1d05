"""What a free instance gets: whose steps, in which rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from naiad.core.message import InferRequest, SequenceStep
from naiad.core.model.config import ModelConfig
from naiad.core.model.sequences import SequenceBatching, SequenceControl, SequenceState
from naiad.core.tensor import Tensor
from naiad.scheduling.contract import Execution, Job
from naiad.scheduling.decision import Decision, Run, Situation, WaitUntil
from naiad.scheduling.sequences.forming import Forming
from naiad.scheduling.sequences.lane import Lane
from naiad.scheduling.sequences.live import LiveSequences
from naiad.scheduling.sequences.steps import Steps

READY = SequenceControl("R", "READY", "INT32")
GROWING = SequenceState("in", "out", "INT32", (-1,))


class House:
    def __init__(self, policy: Any, *, has_rows: bool = False, window: int = 9, states: Any = ()) -> None:
        config = ModelConfig("m", max_batch_size=8, sequence_batching=SequenceBatching((READY,), states))
        self.lane = Lane(None, 8)  # type: ignore[arg-type]  # nothing is run here
        self.live = LiveSequences("m", [self.lane], 10.0)
        self.forming = Forming(self.live, policy, Steps(config), has_rows=has_rows, window=window)

    def add(self, *names: int, value: int = 1) -> None:
        for name in names:
            step = SequenceStep(name, is_first=not self.live.knows(name))
            x = Tensor.of("x", np.full((1, 1), value, np.int32))
            job = Job(InferRequest("m", inputs={"x": x}, sequence=step), 1, lambda *_: None)
            job.queued_s = float(name)
            job.sequence = self.live.add(job, step, 0.0)

    def form(self, now: float = 0.0) -> Any:
        """Of each row, the id and whether it is ready; or when to ask again."""
        formed = self.forming.form(self.lane, now)
        if isinstance(formed, WaitUntil):
            return formed.time_s
        assert isinstance(formed, Execution)
        assert len(formed.items) == len(formed.jobs) == formed.size
        return [(item.sequence.id, item.inputs["R"].data.item()) for item in formed.items]


def every(situation: Situation) -> Decision:
    return Run(range(len(situation.waiting)))


def never(situation: Situation) -> Decision:
    return WaitUntil(math.inf)


def of_one_shape(situation: Situation) -> Decision:
    keys = [item.shape_key for item in situation.waiting]
    return Run([number for number, key in enumerate(keys) if key == keys[0]])


def test_a_policy_may_wait_and_then_nothing_is_taken() -> None:
    house = House(never)
    house.add(1, 2)
    assert house.form() == math.inf
    assert house.live.length == 2


def test_steps_stand_in_the_order_in_which_they_became_ready() -> None:
    house = House(every)
    house.add(3, 1, 2)
    assert house.form() == [(3, 1), (1, 1), (2, 1)]


def test_a_policy_sees_no_more_than_its_window() -> None:
    house = House(every, window=2)
    house.add(1, 2, 3)
    assert [house.form(), house.form()] == [[(1, 1), (2, 1)], [(3, 1)]]


@pytest.mark.parametrize(
    ("ready", "expected"),
    [
        ((1, 2, 3), [(1, 1), (2, 1), (3, 1)]),
        ((3,), [(0, 0), (0, 0), (3, 1)]),
        ((3, 1), [(1, 1), (0, 0), (3, 1)]),
        ((2, 1), [(1, 1), (2, 1)]),
    ],
)
def test_rows_between_are_filled(ready: tuple[int, ...], expected: Any) -> None:
    house = House(every, has_rows=True)
    house.add(1, 2, 3)
    house.form()
    for sequence in house.lane.sequences.values():
        house.live.end_step(sequence, 0.0, was_last=False)
    house.add(*ready)
    assert house.form() == expected


def test_rows_without_a_step_are_zeros_of_the_same_shape() -> None:
    house = House(every, has_rows=True)
    house.add(1, 2, value=7)
    house.form()
    for sequence in house.lane.sequences.values():
        house.live.end_step(sequence, 0.0, was_last=False)
    house.add(2, value=7)
    formed = house.forming.form(house.lane, 0.0)
    assert isinstance(formed, Execution)
    assert [item.inputs["x"].data.tolist() for item in formed.items] == [[[0]], [[7]]]
    assert formed.jobs[0].sequence is None


def test_states_of_different_shapes_do_not_share_a_batch() -> None:
    house = House(of_one_shape, states=(GROWING,))
    house.add(1, 2)
    assert house.form() == [(1, 1), (2, 1)]
    first, second = house.lane.sequences.values()
    first.states = {"in": Tensor.of("in", np.zeros((1, 5), np.int32))}
    for sequence in (first, second):
        house.live.end_step(sequence, 0.0, was_last=False)
    house.add(1, 2)
    assert [house.form(), house.form()] == [[(1, 1)], [(2, 1)]]
