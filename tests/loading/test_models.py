"""Swapping, draining and closing: what happens to requests and to models when others take their place."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.contracts import Instances
from naiad.core.errors import LoadFailed, NotFound, NotReady
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.tensor import Tensor
from naiad.loading.models import Models
from naiad.loading.plan import Plan, PlannedModel
from naiad.serving.catalog import Catalog
from naiad.serving.engine import Engine
from naiad.serving.model import ServedModel
from naiad.serving.tensor_model import TensorModel
from naiad.testing import FakeInstance

SIDE = (TensorConfig("x", "FP32", (1,)),)


class Instance(FakeInstance):
    """Answers with a number of its own, once it may."""

    def __init__(self, number: float) -> None:
        super().__init__(self._number)
        self.number = number

    def _number(self, request: InferRequest) -> InferResponse:
        return InferResponse("m", "1", [Tensor("x", "FP32", np.array([self.number], np.float32))])


class Fixture:
    def __init__(self, *, require_all_versions: bool = False) -> None:
        self.catalog = Catalog()
        self.engine = Engine(self.catalog)
        self.models = Models(self.catalog, threads=2, require_all_versions=require_all_versions)
        self.discarded: list[str] = []

    def plan(self, versions: dict[str, Instance | str], state: Any = None, name: str = "m") -> Plan:
        """A plan whose versions are instances, or the reason why they cannot be."""

        def planned(version: str, what: Instance | str) -> PlannedModel:
            def load() -> list[ServedModel]:
                if isinstance(what, str):
                    raise LoadFailed(what)
                config = ModelConfig(name, inputs=SIDE, outputs=SIDE)
                return [TensorModel(config, version, Instances((what,)))]

            return PlannedModel(name, version, load, Path("/models/m"))

        return Plan([planned(*one) for one in versions.items()], state, lambda: self.discarded.append(name))

    async def load(self, versions: dict[str, Instance | str], state: Any = None, name: str = "m") -> None:
        await self.models.load(name, lambda: self.plan(versions, state, name))

    def ask(self, version: str = "") -> asyncio.Task[float]:
        async def answer() -> float:
            tensor = Tensor("x", "FP32", np.zeros(1, np.float32))
            response = await self.engine.infer(InferRequest("m", version, inputs={"x": tensor}))
            return float(response.outputs[0].data[0])

        return asyncio.get_running_loop().create_task(answer())


def instances_of(model: ServedModel) -> list[Any]:
    """The instances behind a model."""
    return [slot.runner._instance for slot in model._scheduler._slots]  # type: ignore[attr-defined]


@pytest.fixture
async def server() -> AsyncIterator[Fixture]:
    fixture = Fixture()
    yield fixture
    await fixture.models.close()


async def test_the_old_model_answers_what_it_has_taken_and_is_closed_then(server: Fixture) -> None:
    old, new = Instance(1), Instance(2)
    await server.load({"1": old})
    old.hold()
    waiting = [server.ask() for _ in range(3)]
    await asyncio.sleep(0)
    await server.load({"1": new})
    assert await server.ask() == 2
    assert not any(task.done() for task in waiting)
    assert not old.is_closed
    old.release()
    assert await asyncio.gather(*waiting) == [1, 1, 1]
    await server.models.released()
    assert old.is_closed
    assert not new.is_closed
    assert server.discarded == ["m"]


async def test_a_model_that_is_unloaded_answers_what_it_has_taken_and_nothing_else(server: Fixture) -> None:
    model = Instance(1)
    await server.load({"1": model})
    model.hold()
    waiting = server.ask()
    await asyncio.sleep(0)
    await server.models.unload("m")
    assert [row["state"] for row in server.catalog.index()] == ["UNLOADING"]
    with pytest.raises(NotFound, match="Request for unknown model: 'm' has no available versions"):
        await server.ask()
    model.release()
    assert await waiting == 1
    await server.models.released()
    assert server.catalog.index() == [{"name": "m", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"}]
    assert model.is_closed


async def test_loaded_again_while_the_old_one_still_answers(server: Fixture) -> None:
    old, new = Instance(1), Instance(2)
    await server.load({"1": old})
    old.hold()
    waiting = server.ask()
    await asyncio.sleep(0)
    await server.models.unload("m")
    await server.load({"1": new})
    assert await server.ask() == 2
    old.release()
    assert await waiting == 1
    await server.models.released()
    assert server.catalog.index() == [{"name": "m", "version": "1", "state": "READY"}]


async def test_what_the_log_calls_loaded_serves(server: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line came before the swap, so that who waited for it could still be told that there is no such model."""
    said: list[str] = []

    def info(text: str, *values: object) -> None:
        if text.startswith("successfully loaded"):
            assert str(values[1]) in server.catalog.ready_versions(str(values[0]))
            said.append(str(values[1]))

    monkeypatch.setattr("naiad.loading.models._log.info", info)
    await server.load({"1": Instance(1), "2": Instance(2)})
    assert sorted(said) == ["1", "2"]
    with pytest.raises(LoadFailed):
        await server.load({"1": Instance(3), "2": "no file"})
    assert said == ["1", "2"], "what is loaded and closed again is not spoken of"


async def test_versions_of_a_new_model_fail_alone(server: Fixture) -> None:
    good = Instance(1)
    with pytest.raises(LoadFailed) as caught:
        await server.load({"1": "no file", "2": good, "3": "/models/m/3/model.onnx: broken"}, state="s")
    assert caught.value.message == (
        "load failed for model 'm': version 1 is at UNAVAILABLE state: no file;\n"
        "version 3 is at UNAVAILABLE state: m/3/model.onnx: broken;\n"
    )
    assert await server.ask() == 1
    assert [row["state"] for row in server.catalog.index()] == ["UNAVAILABLE", "READY", "UNAVAILABLE"]
    await server.load({"1": Instance(3), "2": Instance(2)}, state="s")
    assert await server.ask() == 2, "what was not whole is loaded again, changed or not"


async def test_of_a_new_model_whose_versions_are_all_required_none_serves_if_one_fails() -> None:
    server = Fixture(require_all_versions=True)
    good, other = Instance(1), Instance(2)
    with pytest.raises(LoadFailed, match=r"^load failed for model 'm': version 1 is at UNAVAILABLE state: no file;\n$"):
        await server.load({"1": "no file", "2": good})
    with pytest.raises(NotFound, match="'m' has no available versions"):
        await server.ask()
    assert good.is_closed
    assert server.discarded == ["m"]
    assert server.catalog.index() == [
        {"name": "m", "version": "1", "state": "UNAVAILABLE", "reason": "no file"},
        {"name": "m", "version": "2", "state": "UNAVAILABLE", "reason": "unloaded"},
    ]
    await server.load({"1": Instance(3), "2": other})
    assert await server.ask() == 2
    await server.models.close()


async def test_models_that_come_together_need_each_their_own_versions_only() -> None:
    server = Fixture(require_all_versions=True)
    spared, closed = Instance(1), Instance(2)

    def plan() -> Plan:
        whole, half = server.plan({"1": spared}), server.plan({"1": closed, "2": "no file"}, name="half")
        return Plan(whole.models + half.models, None, whole.discard)

    with pytest.raises(LoadFailed, match="version 2 is at UNAVAILABLE state: no file"):
        await server.models.load("both", plan)
    assert await server.ask() == 1
    assert closed.is_closed
    assert not server.catalog.ready_versions("half")
    assert server.discarded == [], "the files are in use"
    await server.models.close()


async def test_a_reload_is_all_or_nothing(server: Fixture) -> None:
    old, unused = Instance(1), Instance(2)
    await server.load({"1": old})
    with pytest.raises(LoadFailed, match="version 2 is at UNAVAILABLE state: no file"):
        await server.load({"1": unused, "2": "no file"})
    assert await server.ask() == 1
    assert unused.is_closed
    assert not old.is_closed
    assert server.discarded == ["m"], "the files of the second load"


async def test_nothing_happens_where_nothing_has_changed(server: Fixture) -> None:
    first, second, third = Instance(1), Instance(2), Instance(3)
    await server.load({"1": first}, state=("a", 1))
    await server.load({"1": second}, state=("a", 1))
    assert await server.ask() == 1
    await server.load({"1": third}, state=("a", 2))
    assert await server.ask() == 3


async def test_a_plan_that_fails_changes_nothing(server: Fixture) -> None:
    await server.load({"1": Instance(1)})

    def fail() -> Plan:
        raise NotFound("gone")

    with pytest.raises(NotFound):
        await server.models.load("m", fail)
    assert await server.ask() == 1
    assert server.catalog.index() == [{"name": "m", "version": "1", "state": "READY"}]


async def test_closing_does_not_wait_for_what_does_not_end(server: Fixture) -> None:
    stuck, other = Instance(1), Instance(2)
    await server.load({"1": stuck})
    await server.load({"1": other}, name="n")
    stuck.hold()
    waiting = server.ask()
    await asyncio.sleep(0)
    await server.models.unload("m")
    closing = asyncio.ensure_future(server.models.close())
    await asyncio.sleep(0)
    stuck.release()
    await closing
    assert stuck.is_closed
    assert other.is_closed
    await waiting


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_comes_together_every_request_is_answered_and_every_copy_closed(
    server: Fixture, seed: int
) -> None:
    choose = random.Random(seed)  # noqa: S311 — no secret
    made: list[Instance] = []

    def instance(_: str) -> Instance | str:
        if choose.random() < 0.2:
            return "no file"
        made.append(Instance(len(made)))
        return made[-1]

    async def load() -> None:
        versions = choose.sample(["1", "2", "3"], choose.randint(1, 3))
        with contextlib.suppress(LoadFailed):
            await server.load({version: instance(version) for version in versions})

    async def ask() -> None:
        (answer,) = await asyncio.gather(server.ask(choose.choice(["", "", "1", "2"])), return_exceptions=True)
        if isinstance(answer, NotFound | NotReady):  # and not that of a model that is being closed
            assert answer.message.startswith("Request for unknown model: 'm'")
        else:
            assert answer in {one.number for one in made}

    for _ in range(20):
        works = [choose.choices([load, ask, partial(server.models.unload, "m")], [2, 6, 1])[0] for _ in range(8)]
        await asyncio.gather(*(work() for work in works))
    await server.models.released()
    serving = {runner for model in server.catalog.models() for runner in instances_of(model)}
    assert all(one.is_closed == (one not in serving) for one in made)
    assert all(row["state"] in ("READY", "UNAVAILABLE") for row in server.catalog.index())


async def test_names_that_were_asked_for_leave_nothing_behind(server: Fixture) -> None:
    for number in range(100):
        await server.models.unload(f"nobody {number}")
    gc.collect()
    assert not server.models._locks
    assert server.catalog.index() == []
