"""What a backend is asked for when a Triton model is loaded, and how many sessions that makes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from control_fixture import Fixture, Put

from naiad.backends.onnxruntime import loaded
from naiad.backends.onnxruntime.backend import OnnxRuntimeBackend
from naiad.core.contracts import Instances, LoadRequest
from naiad.core.errors import NaiadError
from naiad.core.message import InferRequest
from naiad.core.settings.config import ModelSettings
from naiad.core.tensor import Tensor
from naiad.loading.tensor_models import plan_triton_model, read_document
from naiad.modelconfig import print_pbtxt
from naiad.repository import recognise
from naiad.serving.engine import Engine


def load(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[LoadRequest, Instances[Any], list[Path]]:
    """What the backend was asked for and gave, and the files that were opened."""
    asked: list[LoadRequest] = []
    given: list[Instances[Any]] = []
    opened: list[Path] = []
    load_model, open_session = OnnxRuntimeBackend.load, loaded.open_session

    def noted(backend: OnnxRuntimeBackend, request: LoadRequest) -> Instances[Any]:
        asked.append(request)
        given.append(load_model(backend, request))
        return given[0]

    def count(path: Path, **options: Any) -> Any:
        opened.append(path)
        return open_session(path, **options)

    monkeypatch.setattr(OnnxRuntimeBackend, "load", noted)
    monkeypatch.setattr(loaded, "open_session", count)
    model, settings = recognise(folder.parent).models[0], ModelSettings()
    ((_, load_version),) = plan_triton_model(model, read_document(model, settings), settings)
    load_version()
    given[0].close()
    return asked[0], given[0], opened


def test_who_wants_one_instance_gets_one(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, given, opened = load(put("m", more="instance_group [ { count: 1 } ]"), monkeypatch)
    assert (asked.names, asked.threads, asked.wide_threads) == (("m_0_0",), 1, 1)
    assert (len(given.narrow), given.wide, len(opened)) == (1, None, 1)


def test_who_does_not_say_how_many_may_get_a_wide_one_too(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """This model is too light for one."""
    asked, given, opened = load(put("m"), monkeypatch)
    assert (asked.names, asked.wide_threads) == (("m_0", "m_1"), 0)
    assert (len(given.narrow), given.wide, len(opened)) == (2, None, 1)


def test_groups_name_their_instances(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = 'instance_group [ { name: "a" count: 2 }, { name: "b" count: 1 passive: true }, { name: "c" } ]'
    asked, _, _ = load(put("m", more=groups), monkeypatch)
    assert asked.names == ("a_0", "a_1", "c_0", "c_1")


IDENTITY: dict[str, Any] = {
    "backend": "identity",
    "max_batch_size": 8,
    "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [-1]}],
    "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [-1]}],
    "instance_group": [{"count": 1}],
}


def request(priority: int = 0) -> InferRequest:
    return InferRequest("m", inputs={"x": Tensor.of("x", np.ones((1, 2), np.float32))}, priority=priority)


@pytest.mark.parametrize(
    ("settings", "more", "executions"),
    [
        ({}, {}, 1),
        ({"join_waiting": False}, {}, 3),
        ({"join_waiting": False}, {"dynamic_batching": {}}, 1),
        ({"batching": False}, {"dynamic_batching": {}}, 3),
    ],
)
async def test_waiting_requests_are_joined_as_configuration_and_operator_say(
    repository: Path, put: Put, settings: dict[str, Any], more: dict[str, Any], executions: int
) -> None:
    put("m")
    async with Fixture(repository, model_control_mode="explicit", **settings) as fixture:
        await fixture.load("m", json.dumps({**IDENTITY, **more}))
        engine = Engine(fixture.catalog)
        await asyncio.gather(*(engine.infer(request()) for _ in range(3)))
        (model,) = fixture.catalog.models()
        assert model.statistics.execution_count == executions


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"instance_group": [{"count": 10**9}]}, "a count of 1000000000 together, this machine allows"),
        ({"instance_group": [{"count": 1}] * 200}, "a count of 200 together, this machine allows"),
        ({"instance_group": [{"count": 1}] * 20_000}, "instance_group has 20000 entries; there may be at most 4096"),
        ({"backend": "onnxruntime", "input": [], "output": [],
          "parameters": {"intra_op_thread_count": {"string_value": "1000000"}}},
         "parameter 'intra_op_thread_count' is 1000000, this machine allows"),
    ],
    ids=["count", "groups", "more groups", "threads"],
)  # fmt: skip
@pytest.mark.parametrize("way", ["file", "request"])
async def test_more_than_the_machine_can_use_is_refused_by_name(
    repository: Path, put: Put, caplog: pytest.LogCaptureFixture, more: dict[str, Any], words: str, way: str
) -> None:
    """In the log where Triton tells clients nothing more than that it failed to poll."""
    document = {**IDENTITY, **more}
    folder = put("m")
    if way == "file":
        groups = "".join(f"instance_group {{ count: {group['count']} }}\n" for group in document["instance_group"])
        (folder / "config.pbtxt").write_text(print_pbtxt({**document, "instance_group": []}) + groups)
    async with Fixture(repository, model_control_mode="explicit") as fixture:
        with pytest.raises(NaiadError) as refused:
            await fixture.load("m", json.dumps(document) if way == "request" else None)
        assert words in refused.value.message + caplog.text


@pytest.mark.parametrize("levels", [2**32 - 1, 2**64 - 1])
async def test_any_number_of_priority_levels_is_served(repository: Path, put: Put, levels: int) -> None:
    put("m")
    batching = {"priority_levels": levels, "default_priority_level": 1}
    async with Fixture(repository, model_control_mode="explicit") as fixture:
        await fixture.load("m", json.dumps({**IDENTITY, "dynamic_batching": batching}))
        engine = Engine(fixture.catalog)
        answers = await asyncio.gather(*(engine.infer(request(priority)) for priority in (0, 1, levels, levels + 1)))
        assert len(answers) == 4


@pytest.mark.parametrize("run_ahead", [True, False])
async def test_the_operator_says_whether_batches_may_run_ahead(repository: Path, put: Put, run_ahead: bool) -> None:
    put("m")
    async with Fixture(repository, run_ahead=run_ahead) as fixture:
        (model,) = fixture.catalog.models()
        assert model._scheduler._runs_ahead is run_ahead  # type: ignore[attr-defined]  # of a tensor model
