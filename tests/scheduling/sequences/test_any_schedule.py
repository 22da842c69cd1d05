"""Whatever comes when: every step is answered once, in order, with the state of its own sequence.

Sequences with implicit state over instances that end, fail, or refuse an item when the example says so; steps are
withdrawn, time passes, and in the end the scheduler is drained or closed.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naiad.core.contracts import Instances
from naiad.core.errors import InvalidRequest, ModelFailed, NaiadError, NotReady, Overloaded
from naiad.core.message import InferRequest, InferResponse, SequenceStep
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.model.sequences import OldestFirst, SequenceBatching, SequenceControl, SequenceState
from naiad.core.tensor import Tensor
from naiad.scheduling.contract import Execution, Job, Listener
from naiad.scheduling.kinds import open_scheduler
from naiad.testing import ManualClock

ROWS, LANES, IDS, IDLE_S, MOST = 2, 2, 6, 10.0, 20
X = TensorConfig("x", "INT32", (1,))
CONTROLS = (SequenceControl("R", "READY", "INT32"), SequenceControl("C", "CORRID", "UINT64"))
STRATEGIES = {"direct": None, "oldest": OldestFirst(max_candidates=2)}


class HeldRunner:
    """Runs nothing until it is told how the run ends."""

    capacity, ahead, runs_inline = 1, 0, False

    def __init__(self) -> None:
        self.held: tuple[Execution, Listener] | None = None
        self.rows: dict[int, int] = {}
        """By id, the row that its sequence has."""

    def start(self, execution: Execution, listener: Listener) -> None:
        assert self.held is None
        assert 1 <= len(execution.items) <= ROWS
        self.held = execution, listener

    def recall(self, execution: Execution) -> bool:
        return False

    def close(self) -> None:
        if self.held is not None:
            self.end("works", 0)

    def end(self, how: str, item: int) -> None:
        if self.held is None:
            return
        (execution, listener), self.held = self.held, None
        if how == "fails":
            execution.failure = ModelFailed("the instance failed")
            listener.finished(execution, [execution.failure] * len(execution.items))
            return
        results: list[Any] = [add(request) for request in execution.items]
        if how == "refuses":
            results[item % len(results)] = InvalidRequest("no")
        listener.finished(execution, results)


def add(request: InferRequest) -> InferResponse:
    """The model: adds to the state, unless there is no step."""
    value = request.inputs["x"].data + request.inputs["sum"].data
    if not request.inputs["R"].data.item():
        assert not value.any(), "a row without a step knows nothing of any"
    return InferResponse("m", "1", [Tensor.of("x", value), Tensor.of("sum_out", value.copy())])


class World:
    def __init__(self, strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = ManualClock()
        self.runners = [HeldRunner() for _ in range(LANES)]
        batching = SequenceBatching(
            CONTROLS, (SequenceState("sum", "sum_out", "INT32", (1,)),), IDLE_S, STRATEGIES[strategy]
        )
        config = ModelConfig("m", max_batch_size=ROWS, inputs=(X,), outputs=(X,), sequence_batching=batching)
        with monkeypatch.context() as patched:
            patched.setattr("naiad.scheduling.kinds.open_runners", lambda *_, **__: (self.runners, None))
            self.scheduler: Any = open_scheduler(config, Instances(()), max_waiting=MOST, clock=self.clock)
        self.jobs: list[Job] = []
        self.told: dict[Job, Any] = {}
        self.faults: list[AssertionError] = []
        self.broken: set[int] = set()
        """Ids whose sequence has lost its instance."""
        self.sums: dict[int, int] = defaultdict(int)
        self.order: dict[int, list[int]] = defaultdict(list)
        self.begun: dict[int, list[int]] = defaultdict(list)
        """First steps that failed or were withdrawn, some before earlier steps were answered."""

    def submit(self, name: int, is_first: bool, is_last: bool, value: int, timeout_s: float) -> None:
        request = InferRequest(
            "m",
            inputs={"x": Tensor.of("x", np.full((1, 1), value, np.int32))},
            sequence=SequenceStep(name, is_first, is_last),
        )
        job = Job(request, 1, self.done)
        try:
            self.scheduler.submit(job, timeout_us=int(timeout_s * 1e6))
        except (InvalidRequest, Overloaded, NotReady):
            return
        self.jobs.append(job)

    def done(self, job: Job, result: Any, is_final: bool) -> None:
        """Note what is wrong with a result: schedulers go on when their jobs' owners fail."""
        try:
            self.check(job, result, is_final)
        except AssertionError as error:
            self.faults.append(error)

    def check(self, job: Job, result: Any, is_final: bool) -> None:
        assert is_final
        assert job not in self.told, "answered twice"
        self.told[job] = result
        step = job.item.sequence
        if isinstance(result, NaiadError):
            if isinstance(result, ModelFailed):
                self.broken.add(step.id)
            if step.is_first:  # its sequence has begun all the same, for the steps behind it
                self.begun[step.id].append(self.jobs.index(job))
            return
        assert step.is_first or step.id not in self.broken, "it went on after its instance failed"
        self.broken.discard(step.id)
        assert [tensor.name for tensor in result.outputs] == ["x"], "nobody sees the state"
        value, place, answered = int(job.item.inputs["x"].data.item()), self.jobs.index(job), self.order[step.id]
        last = answered[-1] if answered else -1
        is_new = step.is_first or any(last < begun < place for begun in self.begun[step.id])
        self.sums[step.id] = value if is_new else self.sums[step.id] + value
        assert result.outputs[0].data.item() == self.sums[step.id], "somebody else's state"
        answered.append(place)
        assert self.order[step.id] == sorted(self.order[step.id]), "out of order"

    def check_running(self) -> None:
        ids = [
            request.sequence.id
            for runner in self.runners
            if runner.held is not None
            for request in runner.held[0].items
            if request.sequence is not None and request.sequence.id
        ]
        assert len(ids) == len(set(ids)), "two steps of a sequence at once"


async def live(world: World, actions: Sequence[tuple[str, Any]]) -> None:
    for kind, arguments in actions:
        if kind == "submit":
            world.submit(*arguments)
        elif kind == "cancel" and world.jobs:
            world.scheduler.cancel(world.jobs[arguments % len(world.jobs)])
        elif kind == "end":
            lane, how, item = arguments
            world.runners[lane].end(how, item)
        elif kind == "wait":
            world.clock.advance(arguments)
            world.scheduler.turn()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        world.check_running()


async def settle(world: World) -> None:
    """Drain, while the instances run whatever they are given."""
    draining = asyncio.ensure_future(world.scheduler.drain())
    for _ in range(2 * MOST + 10):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for runner in world.runners:
            runner.end("works", 0)
    await asyncio.wait_for(draining, 10)
    world.scheduler.close()


SUBMIT = st.tuples(
    st.just("submit"),
    st.tuples(
        st.integers(1, IDS),
        st.sampled_from([True, False, False]),
        st.sampled_from([True, False, False, False]),
        st.integers(1, 1000),
        st.sampled_from([0.0, 0.0, 3.0]),
    ),
)
END = st.tuples(
    st.just("end"),
    st.tuples(
        st.integers(0, LANES - 1),
        st.sampled_from(["works", "works", "works", "works", "fails", "refuses"]),
        st.integers(0, 9),
    ),
)
ACTION = st.one_of(
    SUBMIT,
    SUBMIT,
    SUBMIT,
    END,
    END,
    st.tuples(st.just("cancel"), st.integers(0, 10**6)),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 5.0, 11.0])),
)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("ending", ["drained", "closed"])
def test_every_step_is_answered_once_in_order_with_its_own_state(
    strategy: str, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @settings(max_examples=150)
    @given(st.lists(ACTION, min_size=5, max_size=120))
    def holds(actions: list[tuple[str, Any]]) -> None:
        async def run() -> None:
            world = World(strategy, monkeypatch)
            await live(world, actions)
            if ending == "drained":
                await settle(world)
            else:
                world.scheduler.close()
                await asyncio.sleep(0)
            assert world.faults == []
            assert [job for job in world.jobs if job not in world.told] == [], "never answered"
            assert world.scheduler.pending == 0

        asyncio.run(run())

    holds()
