"""Parts and ensembles over them, without doors, for the tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np

from naiad.core.contracts import Instances
from naiad.core.message import Answer, InferRequest, InferResponse
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.model.ensemble import Ensemble, Step
from naiad.core.tensor import Tensor
from naiad.modelconfig.ensemble.parts import check_parts
from naiad.serving.catalog import Catalog
from naiad.serving.engine import Engine
from naiad.serving.ensemble.model import EnsembleModel
from naiad.serving.ensemble.plan import make_plan
from naiad.serving.tensor_model import TensorModel
from naiad.testing import FakeInstance


def side(names: str) -> tuple[TensorConfig, ...]:
    return tuple(TensorConfig(name, "FP32", (-1,)) for name in names)


def plus_one(request: InferRequest) -> InferResponse:
    return answer(request, Y=request.inputs["X"].data + 1)


def answer(request: InferRequest, **outputs: Any) -> InferResponse:
    tensors = [Tensor(name, "FP32", np.asarray(data, np.float32)) for name, data in outputs.items()]
    return InferResponse(request.model_name, "1", tensors)


class Fixture:
    """Parts `p`, `q` … that add one unless a test says otherwise, and ensembles over them."""

    def __init__(self) -> None:
        self.engine = Engine(Catalog())
        self.instances: dict[str, FakeInstance] = {}

    def part(
        self, name: str, instance: FakeInstance | None = None, *, rows: int = 0, streams: bool = False, **options: Any
    ) -> FakeInstance:
        config = ModelConfig(name, max_batch_size=rows, inputs=side("X"), outputs=side("Y"), is_decoupled=streams)
        instance = self.instances[name] = instance or FakeInstance(plus_one)
        self.engine.catalog.add(TensorModel(config, "1", Instances((instance,)), **options))
        return instance

    def ensemble(
        self, steps: str, *, name: str = "e", outputs: str = "b", rows: int = 0, most: int = 0, side_names: str = "XY"
    ) -> EnsembleModel:
        """Steps as `p:ab`: model p, from tensor a to tensor b."""
        read, made = side_names
        planned = tuple(Step(one[:-3], inputs={read: one[-2]}, outputs={made: one[-1]}) for one in steps.split())
        config = ModelConfig(
            name, max_batch_size=rows, inputs=side("a"), outputs=side(outputs), ensemble=Ensemble(planned, most)
        )
        parts = [self.engine.route(step.model) for step in planned]
        configs = [part.config for part in parts]
        plan = make_plan(config, configs, check_parts(config, configs))
        if plan.is_decoupled:
            config = ModelConfig(
                name, inputs=config.inputs, outputs=config.outputs, ensemble=config.ensemble, is_decoupled=True
            )
        model = EnsembleModel(config, "1", plan, parts, self.engine)
        self.engine.catalog.add(model)
        return model

    async def ask(self, *values: float, name: str = "e", **fields: Any) -> dict[str, list[float]]:
        response = await self.engine.infer(request(*values, name=name, **fields))
        return {tensor.name: tensor.data.ravel().tolist() for tensor in response.outputs}

    def submit(self, *values: float, name: str = "e", **fields: Any) -> tuple[Any, list[tuple[Answer, bool]]]:
        answers: list[tuple[Answer, bool]] = []
        model = self.engine.route(name)
        sender = self.engine.submit(
            model, request(*values, name=name, **fields), lambda one, last: answers.append((one, last)), takes_one=False
        )
        return sender, answers


def request(*values: float, name: str = "e", rows: bool = False, **fields: Any) -> InferRequest:
    data = np.array([values] if rows else values, np.float32)
    return InferRequest(name, inputs={"a": Tensor("a", "FP32", data)}, **fields)


async def turns(condition: Callable[[], bool]) -> None:
    """Give the loop turns until something holds; what never holds is found by the test's time limit."""
    while not condition():  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)
