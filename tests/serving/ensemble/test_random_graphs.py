"""Random graphs, conditions, failures and withdrawals against a naive way to run them: one step after the other."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from naiad.core.contracts import Instances
from naiad.core.errors import Cancelled, DeadlineExceeded, InvalidRequest, ModelFailed
from naiad.core.message import Answer, InferRequest, InferResponse, RequestedOutput
from naiad.core.model.condition import When
from naiad.core.model.config import DynamicBatching, ModelConfig, QueuePolicy, TensorConfig
from naiad.core.model.ensemble import Ensemble, Step
from naiad.core.tensor import Tensor
from naiad.modelconfig.ensemble.order import in_order
from naiad.modelconfig.ensemble.parts import check_parts
from naiad.serving.catalog import Catalog
from naiad.serving.engine import Engine
from naiad.serving.ensemble.model import EnsembleModel
from naiad.serving.ensemble.order import dependents_first
from naiad.serving.ensemble.plan import make_plan
from naiad.serving.model import ServedModel
from naiad.serving.tensor_model import TensorModel
from naiad.testing import FakeInstance

REQUESTS = 24


def tensor_config(name: str, optional: bool = False) -> TensorConfig:
    return TensorConfig(name, "INT64", (-1,), optional=optional)


@dataclass
class World:
    """A random ensemble, in which step n has model `mn`, and its engine."""

    seed: int
    steps: list[Step] = field(default_factory=list)
    optional: dict[str, bool] = field(default_factory=dict)
    """By `model.input`."""
    has_timeouts: bool = False
    """Requests may wait only so long for some of the models."""
    generation: int = 0
    """Of the copies that are served: each answers otherwise than the ones before."""

    def __post_init__(self) -> None:
        self.chance = chance = random.Random(self.seed)  # noqa: S311 - the same each time
        inputs = [f"i{number}" for number in range(chance.randint(1, 3))]
        known = list(inputs)
        for number in range(chance.randint(1, 9)):
            reads = {
                f"x{at}": name for at, name in enumerate(chance.sample(known, min(len(known), chance.randint(1, 3))))
            }
            makes = {f"y{at}": f"t{number}_{at}" for at in range(chance.randint(1, 2))}
            when = When(parameter=f"on{chance.randint(0, 2)}", equals=True) if chance.random() < 0.3 else None
            self.steps.append(Step(f"m{number}", reads, makes, when=when))
            self.optional.update({f"m{number}.{name}": chance.random() < 0.2 for name in reads})
            known += makes.values()
        self.inputs = [name for name in inputs if any(name in step.inputs.values() for step in self.steps)]
        read = {name for step in self.steps for name in step.inputs.values()}
        made = [name for step in self.steps for name in step.outputs.values()]
        self.outputs = [name for name in made if name not in read or chance.random() < 0.3]
        chance.shuffle(self.steps)
        self.most = chance.choice([0, 0, 2])
        self.timeouts_us = {
            step.model: chance.choice([1, 300]) for step in self.steps if self.has_timeouts and chance.random() < 0.3
        }
        self.engine = Engine(Catalog())
        self.load()

    def load(self) -> list[ServedModel]:
        """Serve new copies of all models; gives those that were served before, which still have answers to give."""
        before = dependents_first(list(self.engine.catalog.models()))
        configs = [self._add(step) for step in self.steps]
        config = ModelConfig(
            "e",
            inputs=tuple(map(tensor_config, self.inputs)),
            outputs=tuple(map(tensor_config, self.outputs)),
            ensemble=Ensemble(tuple(self.steps), self.most),
        )
        plan = make_plan(config, configs, check_parts(config, configs))
        parts = [self.engine.route(step.model) for step in self.steps]
        self.engine.catalog.add(EnsembleModel(config, "1", plan, parts, self.engine))
        return before

    async def reload(self) -> None:
        """Load everything again, under way as it may be, and let the old copies answer what they have taken."""
        self.generation += 1
        for model in self.load():
            await model.drain()
            model.close()

    def _add(self, step: Step) -> ModelConfig:
        inputs = tuple(tensor_config(name, self.optional[f"{step.model}.{name}"]) for name in step.inputs)
        timeout_us = self.timeouts_us.get(step.model)
        batching = (
            None
            if timeout_us is None
            else DynamicBatching(default_queue_policy=QueuePolicy(default_timeout_s=timeout_us / 1e6))
        )
        config = ModelConfig(
            step.model, inputs=inputs, outputs=tuple(map(tensor_config, step.outputs)), dynamic_batching=batching
        )
        generation = self.generation
        instances = Instances((FakeInstance(lambda request: self.run(step, request, generation)),))
        self.engine.catalog.add(TensorModel(config, "1", instances))
        return config

    def run(self, step: Step, request: InferRequest, generation: int) -> InferResponse:
        values = {name: tensor.data.item() for name, tensor in request.inputs.items()}
        made = self.compute(step, values, request.parameters, generation)
        tensors = [Tensor(name, "INT64", np.array([value], np.int64)) for name, value in made.items()]
        return InferResponse(step.model, "1", tensors)

    def compute(self, step: Step, values: dict[str, int], parameters: Any, generation: int) -> dict[str, int]:
        if parameters.get("fails") == step.model:
            raise ModelFailed("broken")
        total = sum(value * (at + 1) for at, (_, value) in enumerate(sorted(values.items())))
        made = {name: total * 3 + at + len(step.model) + 100 * generation for at, name in enumerate(step.outputs)}
        if parameters.get("withholds") == step.model:
            made.pop("y0")
        return made

    def expected(self, request: InferRequest) -> Any:
        """Values by output, or the kind of error; one step after the other, all that is needed and nothing else."""
        asked = [output.name for output in request.outputs]
        needed = self.needed(asked or self.outputs)
        values: dict[str, Any] = {name: tensor.data.item() for name, tensor in request.inputs.items()}
        for number in in_order(self.steps, self.inputs):
            step = self.steps[number]
            if number not in needed:
                continue
            required = [name for name in step.inputs if not self.optional[f"{step.model}.{name}"]]
            is_skipped = any(values.get(step.inputs[name]) == "skipped" for name in required)
            if is_skipped or (step.when is not None and not request.parameters.get(step.when.parameter)):
                values.update(dict.fromkeys(step.outputs.values(), "skipped"))
                continue
            given = {name: values[of] for name, of in step.inputs.items() if isinstance(values.get(of), int)}
            if any(name not in given for name in required):
                return InvalidRequest
            try:
                made = self.compute(step, given, request.parameters, self.generation)
            except ModelFailed:
                return ModelFailed
            values.update({step.outputs[name]: value for name, value in made.items()})
        skipped = [name for name in asked or self.outputs if values.get(name) == "skipped"]
        answer = {name: values[name] for name in asked or self.outputs if isinstance(values.get(name), int)}
        return InvalidRequest if skipped and (asked or not answer) else answer

    def needed(self, outputs: list[str]) -> set[int]:
        makers = {name: number for number, step in enumerate(self.steps) for name in step.outputs.values()}
        needed: set[int] = set()
        wanted = list(outputs)
        while wanted:
            number = makers.get(wanted.pop())
            if number is not None and number not in needed:
                needed.add(number)
                wanted += self.steps[number].reads
        return needed

    def request(self) -> InferRequest:
        chance = self.chance
        inputs = {name: Tensor(name, "INT64", np.array([chance.randint(-9, 9)], np.int64)) for name in self.inputs}
        parameters: dict[str, Any] = {f"on{number}": chance.random() < 0.6 for number in range(3)}
        for what in ("fails", "withholds"):
            if chance.random() < 0.2:
                parameters[what] = chance.choice(self.steps).model
        names = chance.sample(self.outputs, chance.randint(1, len(self.outputs))) if chance.random() < 0.5 else []
        return InferRequest("e", inputs=inputs, parameters=parameters, outputs=tuple(map(RequestedOutput, names)))


def value_of(answer: Answer) -> Any:
    if isinstance(answer, InferResponse):
        return {tensor.name: tensor.data.item() for tensor in answer.outputs}
    return type(answer)


def is_right(answer: Any, expected: Any) -> bool:
    """Of two things that are wrong, either may be found first."""
    errors = (InvalidRequest, ModelFailed)
    return bool(answer == expected or (answer in errors and expected in errors))


@pytest.mark.parametrize("seed", range(60))
async def test_whatever_the_graph_every_request_gets_the_answer_of_the_naive_way(seed: int) -> None:
    world = World(seed)
    requests = [world.request() for _ in range(REQUESTS)]
    expected = [world.expected(request) for request in requests]
    answers = await asyncio.gather(*(world.engine.infer(one) for one in requests), return_exceptions=True)
    for request, answer, wanted in zip(requests, answers, expected, strict=True):
        found = value_of(answer)  # type: ignore[arg-type]
        assert is_right(found, wanted), (world.steps, request, found, wanted)
    await world.engine.drain()


@pytest.mark.parametrize("seed", range(60, 90))
async def test_each_request_is_answered_once_though_some_are_withdrawn_and_the_server_stops(seed: int) -> None:
    world = World(seed)
    model = world.engine.route("e")
    requests = [world.request() for _ in range(REQUESTS)]
    expected = [world.expected(request) for request in requests]
    answers: list[list[tuple[Answer, bool]]] = [[] for _ in requests]

    def deliver(number: int) -> Any:
        return lambda answer, is_last: answers[number].append((answer, is_last))

    withdrawn = set()
    for number, request in enumerate(requests):
        sender = world.engine.submit(model, request, deliver(number))
        for _ in range(world.chance.randint(0, 3)):
            await asyncio.sleep(0)
        if world.chance.random() < 0.4:
            sender.cancel()
            withdrawn.add(number)
    await world.engine.drain()
    for number, got in enumerate(answers):
        assert [last for _, last in got] == [True]
        found = value_of(got[0][0])
        assert is_right(found, expected[number]) or (number in withdrawn and found is Cancelled)
    assert not model._flights  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(90, 120))
async def test_timeouts_and_reloads_lose_no_answer_and_mix_no_copies(seed: int) -> None:
    """A request is answered by the copies that it was handed to, or its time in a queue is over; once either way."""
    world = World(seed, has_timeouts=True)
    answers: list[list[tuple[Answer, bool]]] = []
    expected = []
    reloads = []

    def deliver(number: int) -> Any:
        return lambda answer, is_last: answers[number].append((answer, is_last))

    for number in range(REQUESTS):
        request = world.request()
        answers.append([])
        expected.append(world.expected(request))
        world.engine.submit(world.engine.route("e"), request, deliver(number))
        for _ in range(world.chance.randint(0, 3)):
            await asyncio.sleep(0)
        if world.chance.random() < 0.15:
            reloads.append(asyncio.ensure_future(world.reload()))
            await asyncio.sleep(0)
    await asyncio.gather(*reloads)
    await world.engine.drain()
    for got, wanted in zip(answers, expected, strict=True):
        assert [last for _, last in got] == [True]
        found = value_of(got[0][0])
        timed_out = bool(world.timeouts_us) and found is DeadlineExceeded
        assert is_right(found, wanted) or timed_out, (found, wanted)


async def test_times_are_over_in_these_graphs() -> None:
    """Or the test above would show nothing of it."""
    found = set()
    for seed in range(90, 120):
        world = World(seed, has_timeouts=True)
        got = await asyncio.gather(*(world.engine.infer(world.request()) for _ in range(4)), return_exceptions=True)
        found.update(type(one) for one in got)
        await world.engine.drain()
    assert {DeadlineExceeded, InferResponse} <= found
